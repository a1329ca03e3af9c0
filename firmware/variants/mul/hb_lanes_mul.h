// What the plane kernels share: two output rows in the halves of a word.
// Private.
// SPDX-License-Identifier: Apache-2.0
//
// An input pixel is multiplied by words that hold two weights, that of the
// upper output row in the low half and that of the lower one in the high half:
// one multiplication and one addition for two products, none where the pixel
// is 0. Of the four rows of pixels that two output rows read, the first one
// meets the upper output row alone and the last one the lower.
//
// Words are added up mod 2^32, so only what is left at last has to fit. With
// activations in [0, 127] a sum is at least -127 times what the weights below 0
// add up to, and at most 127 times the others. A half begins with the former
// taken off, and so ends in [0, 127 * sum of |w|], which is below 2^16 for a
// sum of |w| up to 516. For larger ones the rows are made one by one, in whole
// words: 9 * 127 * 128 < 2^32.

#ifndef HB_LANES_MUL_H
#define HB_LANES_MUL_H

#include "hb_plane.h"

struct hb_lanes {
    uint32_t w[4][3]; // of an input row and kx
    uint32_t start;   // of a sum, in both halves
    uint32_t mul, add;
    int32_t one; // the least v that is 1 or more behind the shift
    uint32_t hi;
    uint8_t right;
    uint8_t half; // bits of a half: 16, or 0 where the rows are made one by one
};

// Without the weights.
static void hb_lanes_begin(struct hb_lanes *k, const int16_t *level,
                           const HB_ROM int16_t *m, const HB_ROM int32_t *b,
                           const HB_ROM uint8_t *s, int8_t hi)
{
    int16_t size = 0, negative = 0; // <= 9 * 128
    for (uint8_t i = 0; i < 9; i++) {
        const int16_t w = level[i];
        size = (int16_t)(size + (w < 0 ? -w : w));
        negative = (int16_t)(negative + (w < 0 ? -w : 0));
    }
    const uint32_t below = (uint32_t)negative * 127;
    k->half = size <= 516 ? 16 : 0;
    k->start = k->half ? below << 16 | below : below;
    k->mul = (uint32_t)*m;
    k->add = (uint32_t)*b - below * k->mul; // takes `below` back
    k->one = (int32_t)((uint32_t)1 << *s);
    k->hi = (uint32_t)hi;
    k->right = *s;
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

static inline void hb_tap(uint32_t x, const uint32_t *w, uint32_t *p,
                          uint32_t *q, uint32_t *r)
{
    if (x != 0) {
        *p += w[2] * x;
        *q += w[1] * x;
        *r += w[0] * x;
    }
}

// The pixels of a column, in rows y, y + 1 at `upper` and y + 2, y + 3 at
// `lower`, for the sums of the three output pixels that read them.
static inline void hb_column(const struct hb_lanes *k, const uint8_t *upper,
                             const uint8_t *lower, uint32_t *p, uint32_t *q,
                             uint32_t *r)
{
    hb_tap(upper[0], k->w[0], p, q, r);
    hb_tap(upper[1], k->w[1], p, q, r);
    hb_tap(lower[0], k->w[2], p, q, r);
    hb_tap(lower[1], k->w[3], p, q, r);
}

// clamp((acc * m + b) >> s) of acc = sum - below; 0 unless v reaches 2^s.
static inline uint32_t hb_requantized(const struct hb_lanes *k, uint32_t sum)
{
    const int32_t v = (int32_t)(sum * k->mul + k->add);
    if (v < k->one) {
        return 0;
    }
    const uint32_t y = (uint32_t)v >> k->right;
    return y > k->hi ? k->hi : y;
}

#endif
