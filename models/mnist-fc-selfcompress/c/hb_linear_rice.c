// hb_linear_rice: columns of gaps in Rice codes, and of weights that are not 0
// in Huffman codes, SPEC 4.11. SPDX-License-Identifier: Apache-2.0
//
// What is 0 takes no time: a weight is part of a gap, an activation passes over
// its column.

#define HB_WIDE // a gap and its code do not fit 16 bits
#include "hb_huffman_codecs.h"

enum {
    FULL = 25,         // bits that a window can always be filled to
    REST = 8 + LONGEST // a gap behind its ones, and a code, are at most so many
};

// y[o] += the products of a column of `bits` bits, k of them a remainder.
HB_APART void hb_add_gaps(int32_t *y, const struct hb_place *at, int32_t bits,
                          uint8_t k, const struct hb_tables *t)
{
    HB_OPEN(at);
    bits += at->bit;
    while (8 * (int32_t)(w - at->w) - have < bits) {
        HB_FILL(FULL);
        while (window >> 31) {
            y += (size_t)1 << k;
            HB_TAKE(1);
            if (have < REST) {
                HB_FILL(FULL);
            }
        }
        y += window >> (31 - k); // the bit in front is 0
        HB_TAKE(1);
        HB_TAKE(k);
        HB_CODE(entry);
        *y++ += t->product[entry >> 3];
    }
}

void hb_linear_rice(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out)
{
    struct hb_tables t;
    const uint8_t field = w[0], k = w[3] & 7;
    const uint16_t least = (uint16_t)(w[1] | w[2] << 8);
    const HB_ROM uint8_t *shift = w + 4;
    const size_t n_shifts = (w[3] & 8) != 0 ? n_out : 0;
    const HB_ROM uint8_t *levels = shift + n_shifts;
    struct hb_place at = {hb_make_codes(t.code, hb_behind_levels(levels)), 0};
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    for (; n_in > 0; n_in--, x++) {
        const uint16_t more = field > 0 ? hb_field(&at, field) : 0;
        const int32_t bits = (int32_t)least + more;
        if (*x != 0) {
            hb_make_products(t.product, levels, *x);
            hb_add_gaps(y, &at, bits, k, &t);
        }
        hb_move(&at, bits);
    }
    for (size_t o = 0; o < n_shifts; o++) {
        for (uint8_t s = shift[o]; s > 0; s--) {
            y[o] += y[o];
        }
    }
}
