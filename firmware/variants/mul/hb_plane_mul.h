// What the plane kernels share: the pixels of a column, and the requantizer.
// Private.
// SPDX-License-Identifier: Apache-2.0
//
// Two output rows are made at a time, of four rows of pixels, column by column:
// a pixel that is 0 costs a look, any other one is multiplied by the weights
// that it meets in either row. The sums of three output pixels of each row are
// under way at once; a column completes those of one. All is added up mod 2^32.

#ifndef HB_PLANE_MUL_H
#define HB_PLANE_MUL_H

#include "hb_plane.h"

struct hb_sums {
    uint32_t upper, lower; // of the two output rows
};

// A pixel's products, for the three output pixels of a row that read it.
static inline void hb_tap(uint32_t x, const uint32_t *w, uint32_t *p,
                          uint32_t *q, uint32_t *r)
{
    *p += w[2] * x;
    *q += w[1] * x;
    *r += w[0] * x;
}

// w[ky][kx]; rows y and y + 1 are at `upper`, y + 2 and y + 3 at `lower`.
static inline void hb_column(const uint32_t (*w)[3], const uint8_t *upper,
                             const uint8_t *lower, struct hb_sums *p,
                             struct hb_sums *q, struct hb_sums *r)
{
    uint32_t x;
    if ((x = upper[0]) != 0) {
        hb_tap(x, w[0], &p->upper, &q->upper, &r->upper);
    }
    if ((x = upper[1]) != 0) {
        hb_tap(x, w[1], &p->upper, &q->upper, &r->upper);
        hb_tap(x, w[0], &p->lower, &q->lower, &r->lower);
    }
    if ((x = lower[0]) != 0) {
        hb_tap(x, w[2], &p->upper, &q->upper, &r->upper);
        hb_tap(x, w[1], &p->lower, &q->lower, &r->lower);
    }
    if ((x = lower[1]) != 0) {
        hb_tap(x, w[2], &p->lower, &q->lower, &r->lower);
    }
}

// A requantizer of sums that began with `start`.
struct hb_scale {
    uint32_t start;
    uint32_t none; // activation of a sum of zeros
    uint32_t mul, add;
    int32_t one; // the least v that is 1 or more behind the shift
    uint32_t hi;
    uint8_t right;
};

// clamp((acc * m + b) >> s) of acc = sum - start; 0 unless v reaches 2^s.
static inline uint32_t hb_requantized(const struct hb_scale *k, uint32_t sum)
{
    const int32_t v = (int32_t)(sum * k->mul + k->add);
    if (v < k->one) {
        return 0;
    }
    const uint32_t y = (uint32_t)v >> k->right;
    return y > k->hi ? k->hi : y;
}

static inline void hb_scale_begin(struct hb_scale *k, const HB_ROM int16_t *m,
                                  const HB_ROM int32_t *b,
                                  const HB_ROM uint8_t *s, int8_t hi,
                                  uint32_t start)
{
    k->start = start;
    k->mul = (uint32_t)*m;
    k->add = (uint32_t)*b - start * k->mul; // takes `start` back
    k->one = (int32_t)((uint32_t)1 << *s);
    k->hi = (uint32_t)hi;
    k->right = *s;
    k->none = hb_requantized(k, start);
}

// A channel, and its sums in words of their own.
struct hb_channel {
    uint32_t w[3][3];
    struct hb_scale scale;
};

static inline void hb_channel_begin(struct hb_channel *k, const int16_t *level,
                                    const HB_ROM int16_t *m,
                                    const HB_ROM int32_t *b,
                                    const HB_ROM uint8_t *s, int8_t hi)
{
    for (uint8_t ky = 0; ky < 3; ky++) {
        for (uint8_t kx = 0; kx < 3; kx++) {
            k->w[ky][kx] = (uint32_t)*level++;
        }
    }
    hb_scale_begin(&k->scale, m, b, s, hi, 0);
}

#endif
