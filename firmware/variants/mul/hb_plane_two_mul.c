// hb_plane_two_mul: two channels of a convolution of the same input channel,
// requantized.
// SPDX-License-Identifier: Apache-2.0
//
// Their weights are in the halves of a word: one multiplication and one
// addition for two products, and one look at a pixel for 18.
//
// Words are added up mod 2^32, so only what is left at last has to fit. With
// activations in [0, 127] a sum is at least -127 times what the weights below 0
// add up to, and at most 127 times the others. A half begins with the former
// taken off, and so ends in [0, 127 * sum of |w|], which is below 2^16 for a
// sum of |w| up to 516. Two channels of which one has a larger one are made one
// after the other.

#include "hb_mul.h"
#include "hb_plane_mul.h"

enum { FITS = 516 }; // 516 * 127 < 2^16

struct two {
    uint32_t w[3][3]; // the first channel's in the low half
    uint32_t start;
    struct hb_scale scale[2];
    size_t next; // elements from one output plane to the other
};

static inline void put(int8_t *y, const struct two *k, uint32_t sums)
{
    uint32_t first = k->scale[0].none, second = k->scale[1].none;
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
    const struct hb_sums start = {k->start, k->start};
    for (size_t left = plane->n_pairs; left > 0; left--) {
        const uint8_t *upper = x, *lower = x + in_pair;
        const uint8_t *end = x + 2 * width;
        struct hb_sums p = start, q = start;
        for (;;) {
            struct hb_sums r = start, s = start;
            hb_column(k->w, upper, lower, &p, &q, &r);
            if (upper != x) {
                put(y, k, p.upper);
                put(y + 1, k, p.lower);
            }
            hb_column(k->w, upper + 2, lower + 2, &q, &r, &s);
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
            // by field: of a whole struct gcc makes a call of memcpy
            p.upper = r.upper;
            p.lower = r.lower;
            q.upper = s.upper;
            q.lower = s.lower;
        }
        x += in_pair;
    }
}

// The sum of |w| of a channel, and 127 times that of its weights below 0.
static uint16_t size_of(const int16_t *level, uint32_t *start)
{
    uint16_t size = 0, negative = 0; // <= 9 * 128
    for (uint8_t i = 0; i < 9; i++) {
        const int16_t w = level[i];
        size = (uint16_t)(size + (w < 0 ? -w : w));
        negative = (uint16_t)(negative + (w < 0 ? -w : 0));
    }
    *start = (uint32_t)negative * 127;
    return size;
}

void hb_plane_two_mul(int8_t *y, size_t next, const int8_t *x,
                      const int16_t *level, const HB_ROM int16_t *m,
                      const HB_ROM int32_t *b, const HB_ROM uint8_t *s,
                      int8_t hi, const HB_ROM hb_plane *plane)
{
    struct two k;
    uint32_t first, second;
    if (size_of(level, &first) > FITS || size_of(level + 9, &second) > FITS) {
        hb_plane_mul(y, x, level, m, b, s, hi, plane);
        hb_plane_mul(y + next, x, level + 9, m + 1, b + 1, s + 1, hi, plane);
        return;
    }
    hb_scale_begin(&k.scale[0], m, b, s, hi, first);
    hb_scale_begin(&k.scale[1], m + 1, b + 1, s + 1, hi, second);
    for (uint8_t ky = 0; ky < 3; ky++) {
        for (uint8_t kx = 0; kx < 3; kx++, level++) {
            k.w[ky][kx] = (uint32_t)level[0] + ((uint32_t)level[9] << 16);
        }
    }
    k.start = second << 16 | first;
    k.next = next;
    run(y, (const uint8_t *)x, &k, plane);
}
