// hb_plane_one_by_one_mul: a convolution of one channel whose sums are too
// large for two halves of words: small and slow, as there is hardly one.
// SPDX-License-Identifier: Apache-2.0

#include "hb_plane_mul.h"

struct sums {
    uint32_t upper, lower; // of two rows
};

HB_INLINE uint32_t both(const struct hb_scale *k, struct sums s)
{
    const uint32_t lower = hb_requantized(k, s.lower);
    return hb_requantized(k, s.upper) | lower << 16;
}

HB_INLINE uint32_t pooled(const struct hb_scale *k, struct sums s,
                          struct sums t)
{
    const uint32_t a = hb_most(s.upper, s.lower), b = hb_most(t.upper, t.lower);
    return hb_requantized(k, hb_most(a, b));
}

// What two outputs of two rows each become, at *y; the next one is there if it
// is that of another pair of rows.
HB_INLINE uint32_t *put(uint32_t *y, struct sums s, struct sums t,
                        const struct hb_scale *k, size_t width, size_t odd,
                        uint8_t pool)
{
    if (!pool) {
        y[0] = both(k, s);
        y[1] = both(k, t);
        return y + width;
    }
    const uint32_t v = pooled(k, s, t);
    *y = odd ? *y | v << 16 : v;
    return odd ? y + width : y;
}

// An output of two rows that begin with those at x; a whole word for each sum.
HB_OUTLINE struct sums summed(const uint32_t *x, const struct hb_channel *k,
                              size_t width)
{
    struct sums s = {k->start, k->start};
    for (uint8_t kx = 0; kx < 3; kx++, x++) {
        const struct hb_taps *w = &k->w[kx];
        const uint32_t w2 = w->lower - (w->second << 16);
        const uint32_t x0 = x[0] & 0xffff, x1 = x[0] >> 16;
        const uint32_t x2 = x[width] & 0xffff, x3 = x[width] >> 16;
        s.upper += w->upper * x0 + w->second * x1 + w2 * x2;
        s.lower += w->upper * x1 + w->second * x2 + w2 * x3;
    }
    return s;
}

void hb_plane_one_by_one_mul(uint32_t *y, const uint32_t *x,
                             const struct hb_channel *k,
                             const HB_ROM hb_plane *plane)
{
    const size_t in_width = plane->in_width;
    for (size_t left = plane->n_strips; left > 0; left--, x += 2) {
        const uint32_t *in = x;
        uint32_t *out = y;
        for (size_t n = 0; n < plane->n_pairs; n++, in += in_width) {
            const struct sums s = summed(in, k, in_width);
            const struct sums t = summed(in + 1, k, in_width);
            out =
                put(out, s, t, &k->scale, plane->out_width, n % 2, plane->pool);
        }
        y += plane->pool ? 1 : 2;
    }
}
