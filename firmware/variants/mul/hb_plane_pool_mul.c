// hb_plane_pool_mul: a convolution of one channel, requantized, and the largest
// of every 2 x 2 pixels.
// SPDX-License-Identifier: Apache-2.0
//
// The requantizer never falls, so that of the largest sum is the largest pixel:
// one in four has to be requantized.

#include "hb_mul.h"
#include "hb_rows_mul.h"

static inline uint32_t max(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

// The largest of the halves of two words. As words, the larger one has the
// larger upper half; what is below it does not matter.
static inline uint32_t most(const struct hb_lanes *k, uint32_t a, uint32_t b)
{
    const uint32_t lower = max(a, b);
    const uint32_t upper = max(a << k->half, b << k->half);
    return max(lower, upper) >> k->half;
}

// again: the rows above, of which some pixels may be larger, are made.
static void run(int8_t *restrict y, uint8_t again, const uint8_t *x,
                const struct hb_lanes *restrict k, const HB_ROM hb_plane *plane)
{
    const size_t in_pair = plane->in_pair;
    const size_t step = plane->out_pixel;
    const size_t width = plane->n_out;
    size_t next = plane->out_lane;
    for (size_t left = plane->n_pairs; left > 0; left--) {
        const uint8_t *upper = x, *lower = x + in_pair;
        const uint8_t *end = x + 2 * width;
        int8_t *to = y;
        uint32_t p = k->start, q = k->start;
        for (;;) {
            uint32_t r = k->start, s = k->start;
            hb_column(k, upper, lower, &p, &q, &r);
            hb_column(k, upper + 2, lower + 2, &q, &r, &s);
            if (upper != x) {
                const int8_t v =
                    (int8_t)hb_requantized(&k->scale, most(k, p, q));
                if (!again || *to < v) {
                    *to = v;
                }
                to += step;
            }
            if (upper == end) {
                break;
            }
            upper += 4;
            lower += 4;
            p = r;
            q = s;
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
    struct hb_lanes k;
    hb_lanes_begin(&k, level, m, b, s, hi);
    const uint8_t *in = (const uint8_t *)x;
    hb_lanes_weights(&k, level, 1, k.half ? 0x10000 : 0);
    run(y, 0, in, &k, plane);
    if (!k.half) {
        hb_lanes_weights(&k, level, 0, 1);
        run(y, 1, in, &k, plane);
    }
}
