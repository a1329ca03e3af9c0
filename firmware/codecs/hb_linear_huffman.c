// hb_linear_huffman: columns of Huffman codes, at most 32 levels, SPEC 4.7.
// SPDX-License-Identifier: Apache-2.0
//
// A code, which has at most 7 bits, is found by the next 7 bits of the stream.
// For an activation that is not 0, the products with all levels are made at
// once, by additions where the levels are evenly spaced; then a weight costs a
// look at the code, one at the product and an addition.

#include "hb_huffman_codecs.h"

enum { TOGETHER = 3 }; // codes for which a window is filled: 3 * 7 <= 25 bits

// y[k] += the product of the level whose code is next.
#define HB_ADD(k)                                                              \
    do {                                                                       \
        HB_CODE(entry);                                                        \
        y[k] += t->product[entry >> 3];                                        \
    } while (0)

// y[o] += the products of a column. Goes behind it.
HB_APART void hb_add_column(int32_t *y, struct hb_place *at, size_t n_out,
                            const struct hb_tables *t)
{
    HB_OPEN(at);
    const int32_t *end = y + n_out;
#ifndef HB_NARROW
    while (end - y >= TOGETHER) {
        HB_FILL(TOGETHER * LONGEST);
        HB_ADD(0);
        HB_ADD(1);
        HB_ADD(2);
        y += 3;
    }
#endif
    for (; y < end; y++) {
        HB_FILL(LONGEST);
        HB_ADD(0);
    }
    HB_CLOSE(at);
}

void hb_linear_huffman(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                       size_t n_in, size_t n_out)
{
    struct hb_tables t;
    const uint8_t field = w[0];
    const uint16_t least = (uint16_t)(w[1] | w[2] << 8);
    const HB_ROM uint8_t *levels = w + 3;
    struct hb_place at = {hb_make_codes(t.code, hb_behind_levels(levels)), 0};
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    for (; n_in > 0; n_in--, x++) {
        const uint16_t more = field > 0 ? hb_field(&at, field) : 0;
        if (*x == 0) {
            hb_move(&at, (int32_t)least + more);
            continue;
        }
        hb_make_products(t.product, levels, *x);
        hb_add_column(y, &at, n_out, &t);
    }
}
