// hb_plane_mul: a convolution of one channel, requantized.
// SPDX-License-Identifier: Apache-2.0

#include "hb_plane_mul.h"
#include "hb_mul.h"

static inline void put(int8_t *y, const struct hb_scale *k, uint32_t sum)
{
    *y = (int8_t)(sum == 0 ? k->none : hb_requantized(k, sum));
}

// Two columns at a time; the first two only begin the sums of the next ones.
static void run(int8_t *restrict y, const uint8_t *x,
                const struct hb_channel *restrict k,
                const HB_ROM hb_plane *plane)
{
    const size_t in_pair = plane->in_pair;
    const size_t lane = plane->out_lane;
    const size_t step = plane->out_pixel;
    const size_t width = plane->n_out;
    const size_t skip = plane->out_pair - width * step;
    for (size_t left = plane->n_pairs; left > 0; left--) {
        const uint8_t *upper = x, *lower = x + in_pair;
        const uint8_t *end = x + 2 * width;
        struct hb_sums p = {0, 0}, q = {0, 0};
        for (;;) {
            struct hb_sums r = {0, 0}, s = {0, 0};
            hb_column(k->w, upper, lower, &p, &q, &r);
            if (upper != x) {
                put(y, &k->scale, p.upper);
                put(y + lane, &k->scale, p.lower);
                y += step;
            }
            hb_column(k->w, upper + 2, lower + 2, &q, &r, &s);
            if (upper != x) {
                put(y, &k->scale, q.upper);
                put(y + lane, &k->scale, q.lower);
                y += step;
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
        y += skip;
    }
}

void hb_plane_mul(int8_t *y, const int8_t *x, const int16_t *level,
                  const HB_ROM int16_t *m, const HB_ROM int32_t *b,
                  const HB_ROM uint8_t *s, int8_t hi,
                  const HB_ROM hb_plane *plane)
{
    struct hb_channel k;
    hb_channel_begin(&k, level, m, b, s, hi);
    run(y, (const uint8_t *)x, &k, plane);
}
