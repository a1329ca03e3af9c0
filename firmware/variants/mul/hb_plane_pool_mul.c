// hb_plane_pool_mul: a convolution of one channel, requantized, and the largest
// of every 2 x 2 pixels.
// SPDX-License-Identifier: Apache-2.0
//
// The requantizer never falls, so that of the largest sum is the largest pixel:
// one in four has to be requantized.

#include "hb_mul.h"
#include "hb_plane_mul.h"

static inline int32_t most(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static inline int32_t most_of(struct hb_sums sums)
{
    return most((int32_t)sums.upper, (int32_t)sums.lower);
}

// Two columns at a time; the first two only begin the sums of the next ones.
static void run(int8_t *restrict y, const uint8_t *x,
                const struct hb_channel *restrict k,
                const HB_ROM hb_plane *plane)
{
    const size_t in_pair = plane->in_pair;
    const size_t step = plane->out_pixel;
    const size_t width = plane->n_out;
    size_t next = plane->out_lane;
    for (size_t left = plane->n_pairs; left > 0; left--) {
        const uint8_t *upper = x, *lower = x + in_pair;
        const uint8_t *end = x + 2 * width;
        int8_t *to = y;
        struct hb_sums p = {0, 0}, q = {0, 0};
        for (;;) {
            struct hb_sums r = {0, 0}, s = {0, 0};
            hb_column(k->w, upper, lower, &p, &q, &r);
            hb_column(k->w, upper + 2, lower + 2, &q, &r, &s);
            if (upper != x) {
                const uint32_t sum = (uint32_t)most(most_of(p), most_of(q));
                *to = (int8_t)hb_requantized(&k->scale, sum);
                to += step;
            }
            if (upper == end) {
                break;
            }
            upper += 4;
            lower += 4;
            // by field: of a whole struct gcc makes a call of memcpy
            p.upper = r.upper;
            p.lower = r.lower;
            q.upper = s.upper;
            q.lower = s.lower;
        }
        x += in_pair;
        y += next;
        next = plane->out_pair - next;
    }
}

void hb_plane_pool_mul(int8_t *y, const int8_t *x, const int16_t *level,
                       const HB_ROM int16_t *m, const HB_ROM int32_t *b,
                       const HB_ROM uint8_t *s, int8_t hi,
                       const HB_ROM hb_plane *plane)
{
    struct hb_channel k;
    hb_channel_begin(&k, level, m, b, s, hi);
    run(y, (const uint8_t *)x, &k, plane);
}
