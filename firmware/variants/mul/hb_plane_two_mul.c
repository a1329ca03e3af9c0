// hb_plane_two_mul: two channels of a convolution of the same input channel,
// requantized.
// SPDX-License-Identifier: Apache-2.0
//
// The first channel is in the low half of a word. Two rows are made at a time
// here, too: the four pixels of a column are looked at once for four outputs.

#include "hb_lanes_mul.h"
#include "hb_mul.h"

struct two {
    uint32_t w[3][3]; // of both channels
    uint32_t start;
    struct hb_scale scale[2];
    uint32_t none[2]; // output pixels of zeros
    size_t next;      // elements from one output plane to the other
};

struct sums {
    uint32_t upper, lower; // of two output rows
};

static inline void column(const struct two *k, const uint8_t *upper,
                          const uint8_t *lower, struct sums *p, struct sums *q,
                          struct sums *r)
{
    uint32_t x;
    if ((x = upper[0]) != 0) {
        hb_tap(x, k->w[0], &p->upper, &q->upper, &r->upper);
    }
    if ((x = upper[1]) != 0) {
        hb_tap(x, k->w[1], &p->upper, &q->upper, &r->upper);
        hb_tap(x, k->w[0], &p->lower, &q->lower, &r->lower);
    }
    if ((x = lower[0]) != 0) {
        hb_tap(x, k->w[2], &p->upper, &q->upper, &r->upper);
        hb_tap(x, k->w[1], &p->lower, &q->lower, &r->lower);
    }
    if ((x = lower[1]) != 0) {
        hb_tap(x, k->w[2], &p->lower, &q->lower, &r->lower);
    }
}

static inline void put(int8_t *y, const struct two *k, uint32_t sums)
{
    uint32_t first = k->none[0], second = k->none[1];
    if (sums != k->start) {
        first = hb_requantized(&k->scale[0], sums & 0xffff);
        second = hb_requantized(&k->scale[1], sums >> 16);
    }
    y[0] = (int8_t)first;
    y[k->next] = (int8_t)second;
}

// Two columns at a time; the first two only begin the sums of the next ones.
static void run(int8_t *restrict y, const uint8_t *x,
                const struct two *restrict k, const HB_ROM hb_plane *plane)
{
    const size_t in_pair = plane->in_pair;
    const size_t width = plane->n_out;
    const struct sums start = {k->start, k->start};
    for (size_t left = plane->n_pairs; left > 0; left--) {
        const uint8_t *upper = x, *lower = x + in_pair;
        const uint8_t *end = x + 2 * width;
        struct sums p = start, q = start;
        for (;;) {
            struct sums r = start, s = start;
            column(k, upper, lower, &p, &q, &r);
            if (upper != x) {
                put(y, k, p.upper);
                put(y + 1, k, p.lower);
            }
            column(k, upper + 2, lower + 2, &q, &r, &s);
            if (upper != x) {
                put(y + 2, k, q.upper);
                put(y + 3, k, q.lower);
                y += 4;
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
    }
}

void hb_plane_two_mul(int8_t *y, size_t next, const int8_t *x,
                      const int16_t *level, const HB_ROM int16_t *m,
                      const HB_ROM int32_t *b, const HB_ROM uint8_t *s,
                      int8_t hi, const HB_ROM hb_plane *plane)
{
    struct two k;
    k.next = next;
    k.start = 0;
    for (uint8_t c = 0; c < 2; c++) {
        const struct hb_size size = hb_size_of(level + 9 * c);
        const uint32_t below = (uint32_t)size.negative * 127;
        if (size.all > HB_HALF_FITS) {
            hb_plane_mul(y, x, level, m, b, s, hi, plane);
            hb_plane_mul(y + next, x, level + 9, m + 1, b + 1, s + 1, hi,
                         plane);
            return;
        }
        k.start += below << (16 * c);
        hb_scale_begin(&k.scale[c], m + c, b + c, s + c, hi, below);
        k.none[c] = hb_requantized(&k.scale[c], below);
    }
    for (uint8_t ky = 0; ky < 3; ky++) {
        for (uint8_t kx = 0; kx < 3; kx++, level++) {
            k.w[ky][kx] = (uint32_t)level[0] + ((uint32_t)level[9] << 16);
        }
    }
    run(y, (const uint8_t *)x, &k, plane);
}
