// hb_plane_mul: a convolution of one channel, requantized.
// SPDX-License-Identifier: Apache-2.0

#include "hb_mul.h"
#include "hb_rows_mul.h"

static inline int8_t *put(int8_t *y, size_t lane, size_t step,
                          const struct hb_lanes *k, uint32_t sums,
                          uint32_t none)
{
    uint32_t upper = none, lower = none;
    if (sums != k->start) {
        lower = hb_requantized(&k->scale, sums >> k->half);
        upper = hb_requantized(&k->scale, sums << k->half >> k->half);
    }
    y[lane] = (int8_t)lower;
    y[0] = (int8_t)upper;
    return y + step;
}

// Two columns at a time; the first two only begin the sums of the next ones.
static void run(int8_t *restrict y, size_t lane, const uint8_t *x,
                const struct hb_lanes *restrict k, const HB_ROM hb_plane *plane)
{
    const uint32_t none = hb_requantized(&k->scale, k->start >> k->half);
    const size_t in_pair = plane->in_pair;
    const size_t step = plane->out_pixel;
    const size_t width = plane->n_out;
    const size_t skip = plane->out_pair - width * step;
    for (size_t left = plane->n_pairs; left > 0; left--) {
        const uint8_t *upper = x, *lower = x + in_pair;
        const uint8_t *end = x + 2 * width;
        uint32_t p = k->start, q = k->start;
        for (;;) {
            uint32_t r = k->start, s = k->start;
            hb_column(k, upper, lower, &p, &q, &r);
            hb_column(k, upper + 2, lower + 2, &q, &r, &s);
            if (upper != x) {
                y = put(y, lane, step, k, p, none);
                y = put(y, lane, step, k, q, none);
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
        y += skip;
    }
}

void hb_plane_mul(int8_t *y, const int8_t *x, const int16_t *level,
                  const HB_ROM int16_t *m, const HB_ROM int32_t *b,
                  const HB_ROM uint8_t *s, int8_t hi,
                  const HB_ROM hb_plane *plane)
{
    struct hb_lanes k;
    hb_lanes_begin(&k, level, m, b, s, hi);
    const uint8_t *in = (const uint8_t *)x;
    if (k.half) {
        hb_lanes_weights(&k, level, 1, 0x10000);
        run(y, plane->out_lane, in, &k, plane);
    } else {
        hb_lanes_weights(&k, level, 1, 0);
        run(y, 0, in, &k, plane);
        hb_lanes_weights(&k, level, 0, 1);
        run(y + plane->out_lane, 0, in, &k, plane);
    }
}
