// What the plane kernels share: sums in the halves of a word. Private.
// SPDX-License-Identifier: Apache-2.0
//
// An input pixel is multiplied by words that hold two weights: one
// multiplication and one addition for two products, none where the pixel is 0.
// The halves belong to two output rows of one channel, or to one output row of
// two channels.
//
// Words are added up mod 2^32, so only what is left at last has to fit. With
// activations in [0, 127] a sum is at least -127 times what the weights below 0
// add up to, and at most 127 times the others. A half begins with the former
// taken off, and so ends in [0, 127 * sum of |w|], which is below 2^16 for a
// sum of |w| up to 516. A channel with a larger one gets whole words, for one
// row at a time: 9 * 127 * 128 < 2^32.

#ifndef HB_LANES_MUL_H
#define HB_LANES_MUL_H

#include "hb_plane.h"

enum { HB_HALF_FITS = 516 }; // sum of |w|: 516 * 127 < 2^16

// What a channel's weights add up to, and those below 0; 9 * 128 at most.
struct hb_size {
    int16_t all, negative;
};

static struct hb_size hb_size_of(const int16_t *level)
{
    struct hb_size size = {0, 0};
    for (uint8_t i = 0; i < 9; i++) {
        const int16_t w = level[i];
        size.all = (int16_t)(size.all + (w < 0 ? -w : w));
        size.negative = (int16_t)(size.negative + (w < 0 ? -w : 0));
    }
    return size;
}

// A requantizer of sums that began with `below`.
struct hb_scale {
    uint32_t mul, add;
    int32_t one; // the least v that is 1 or more behind the shift
    uint32_t hi;
    uint8_t right;
};

static void hb_scale_begin(struct hb_scale *k, const HB_ROM int16_t *m,
                           const HB_ROM int32_t *b, const HB_ROM uint8_t *s,
                           int8_t hi, uint32_t below)
{
    k->mul = (uint32_t)*m;
    k->add = (uint32_t)*b - below * k->mul; // takes `below` back
    k->one = (int32_t)((uint32_t)1 << *s);
    k->hi = (uint32_t)hi;
    k->right = *s;
}

// clamp((acc * m + b) >> s) of acc = sum - below; 0 unless v reaches 2^s.
static inline uint32_t hb_requantized(const struct hb_scale *k, uint32_t sum)
{
    const int32_t v = (int32_t)(sum * k->mul + k->add);
    if (v < k->one) {
        return 0;
    }
    const uint32_t y = (uint32_t)v >> k->right;
    return y > k->hi ? k->hi : y;
}

// A pixel's products for the sums of the three output pixels that read it.
static inline void hb_tap(uint32_t x, const uint32_t *w, uint32_t *p,
                          uint32_t *q, uint32_t *r)
{
    *p += w[2] * x;
    *q += w[1] * x;
    *r += w[0] * x;
}

#endif
