// Two output rows of one channel in the halves of a word. Private.
// SPDX-License-Identifier: Apache-2.0
//
// They read four rows of pixels. The first of them meets the upper output row
// alone, in the low half, and the last one the lower.

#ifndef HB_ROWS_MUL_H
#define HB_ROWS_MUL_H

#include "hb_lanes_mul.h"

struct hb_lanes {
    uint32_t w[4][3]; // of an input row and kx
    uint32_t start;   // of a sum, in both halves
    struct hb_scale scale;
    uint8_t half; // bits of a half: 16, or 0 where the rows are made one by one
};

// Without the weights.
static void hb_lanes_begin(struct hb_lanes *k, const int16_t *level,
                           const HB_ROM int16_t *m, const HB_ROM int32_t *b,
                           const HB_ROM uint8_t *s, int8_t hi)
{
    const struct hb_size size = hb_size_of(level);
    const uint32_t below = (uint32_t)size.negative * 127;
    k->half = size.all <= HB_HALF_FITS ? 16 : 0;
    k->start = k->half ? below << 16 | below : below;
    hb_scale_begin(&k->scale, m, b, s, hi, below);
}

// upper, lower: by what the weights of the two output rows are multiplied.
static void hb_lanes_weights(struct hb_lanes *k, const int16_t *level,
                             uint32_t upper, uint32_t lower)
{
    for (int kx = 0; kx < 3; kx++, level++) {
        const uint32_t a = (uint32_t)level[0];
        const uint32_t b = (uint32_t)level[3];
        const uint32_t c = (uint32_t)level[6];
        k->w[0][kx] = a * upper;
        k->w[1][kx] = b * upper + a * lower;
        k->w[2][kx] = c * upper + b * lower;
        k->w[3][kx] = c * lower;
    }
}

// The pixels of a column, in rows y, y + 1 at `upper` and y + 2, y + 3 at
// `lower`.
static inline void hb_column(const struct hb_lanes *k, const uint8_t *upper,
                             const uint8_t *lower, uint32_t *p, uint32_t *q,
                             uint32_t *r)
{
    uint32_t x;
    if ((x = upper[0]) != 0) {
        hb_tap(x, k->w[0], p, q, r);
    }
    if ((x = upper[1]) != 0) {
        hb_tap(x, k->w[1], p, q, r);
    }
    if ((x = lower[0]) != 0) {
        hb_tap(x, k->w[2], p, q, r);
    }
    if ((x = lower[1]) != 0) {
        hb_tap(x, k->w[3], p, q, r);
    }
}

#endif
