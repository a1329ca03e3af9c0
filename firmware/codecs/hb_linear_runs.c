// hb_linear_runs: a byte for each weight that is not 0, SPEC 4.9.
// SPDX-License-Identifier: Apache-2.0
//
// A weight of 0 takes no time, and of an activation of 0 the others take half.

#include "hb_apart_codecs.h"
#include "hb_codecs.h"
#include "hb_products_codecs.h"

// Where the next entry of a stream is, and the output that it belongs to.
struct hb_next {
    const HB_ROM uint8_t *w;
    size_t o; // n_out or more: of a column behind this one
};

// y[o] += the products of a column. Goes behind it.
HB_APART void hb_add_column(int32_t *y, struct hb_next *next, size_t n_out,
                            uint8_t gap, const int16_t *product)
{
    const HB_ROM uint8_t *w = next->w;
    const uint8_t gaps = (uint8_t)((1 << gap) - 1);
    size_t o = next->o;
    uint8_t entry = *w;
    while (o < n_out) {
        y[o] += product[entry >> gap];
        entry = *++w;
        o += (entry & gaps) + (size_t)1;
    }
    next->w = w;
    next->o = o - n_out;
}

HB_APART void hb_pass_column(struct hb_next *next, size_t n_out, uint8_t gap)
{
    const HB_ROM uint8_t *w = next->w;
    const uint8_t gaps = (uint8_t)((1 << gap) - 1);
    size_t o = next->o;
    while (o < n_out) {
        o += (*++w & gaps) + (size_t)1;
    }
    next->w = w;
    next->o = o - n_out;
}

void hb_linear_runs(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out)
{
    int16_t product[LEVELS];
    const uint8_t gap = w[0];
    const HB_ROM uint8_t *levels = w + 1;
    struct hb_next next = {hb_behind_levels(levels), 0};
    next.o = *next.w & (uint8_t)((1 << gap) - 1);
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    for (; n_in > 0; n_in--, x++) {
        if (*x == 0) {
            hb_pass_column(&next, n_out, gap);
            continue;
        }
        hb_make_products(product, levels, *x);
        hb_add_column(y, &next, n_out, gap, product);
    }
}
