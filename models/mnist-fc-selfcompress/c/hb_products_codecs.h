// The products of an activation with every level of a tensor, SPEC 4.6.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_PRODUCTS_CODECS_H
#define HB_PRODUCTS_CODECS_H

#include "hb_apart_codecs.h"
#include "hb_codecs.h"

enum {
    LEVELS = 32,   // at most
    HEAD_BYTES = 3 // of a table of levels: how many, the first, their step
};

// Behind a table of levels.
static inline const HB_ROM uint8_t *hb_behind_levels(const HB_ROM uint8_t *t)
{
    return t + HEAD_BYTES + (t[2] == 0 ? t[0] : 0);
}

// by * x. Cores without a multiplier go through the bits of `by`, which is
// small.
HB_APART int16_t hb_times(uint8_t by, int8_t x)
{
    return (int16_t)(by * x);
}

// product[k] = x * level k of a table. By additions where they have a step.
HB_APART void hb_make_products(int16_t *product, const HB_ROM uint8_t *table,
                               int8_t x)
{
    const int16_t *end = product + table[0];
    const int16_t first = (int8_t)table[1];
    int16_t p = first < 0 ? (int16_t)-hb_times((uint8_t)-first, x)
                          : hb_times((uint8_t)first, x);
    if (table[2] != 0) {
        const int16_t step = hb_times(table[2], x);
        for (; product < end; product++) {
            *product = p;
            p = (int16_t)(p + step);
        }
        return;
    }
    const HB_ROM uint8_t *apart = table + HEAD_BYTES;
    uint8_t last = 0;
    int16_t step = 0;
    for (; product < end; product++, apart++) {
        if (*apart != last) {
            last = *apart;
            step = hb_times(last, x);
        }
        p = (int16_t)(p + step);
        *product = p;
    }
}

#endif
