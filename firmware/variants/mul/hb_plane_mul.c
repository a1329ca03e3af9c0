// hb_plane_mul: a convolution of one channel, requantized, and the largest of
// every 2 x 2 pixels where it is pooled.
// SPDX-License-Identifier: Apache-2.0

#include "hb_plane_mul.h"
#include "hb_mul.h"

// The rows of pixels that the span leaves out are zeros.
HB_OUTLINE void convolve(uint32_t *restrict y, const uint32_t *x,
                         const uint8_t *restrict span,
                         const struct hb_channel *restrict channel,
                         const HB_ROM hb_plane *plane)
{
    const struct hb_channel k = *channel;
    const size_t in_width = plane->in_width, width = plane->out_width;
    const size_t size = plane->n_pairs * width;
    const uint32_t none = k.scale.none << 16 | k.scale.none;
    for (size_t left = plane->n_strips; left > 0; left--, x += 2, y += 2) {
        uint32_t *out = y, *const bottom = y + size;
        size_t first = 0, n = (size_t)plane->n_pairs + 1;
        if (span != NULL) {
            first = *span++;
            n = *span++;
        }
        const uint32_t *in = x + first * in_width;
        const uint32_t *const end = in + n * in_width;
        uint32_t a = k.own, b = k.own, c = k.own, d = k.own;
        if (first == 0) { // no outputs are above
            hb_pixels(in, k.w, &c, &d, &a, &b);
            in += in_width;
        }
        for (; first > 1; first--) {
            out[0] = none;
            out[1] = none;
            out += width;
        }
        while (in != end) {
            c = d = k.own;
            hb_pixels(in, k.w, &a, &b, &c, &d);
            out[0] = hb_both(&k.scale, a);
            out[1] = hb_both(&k.scale, b);
            out += width;
            in += in_width;
            if (in == end) {
                a = c;
                b = d;
                break;
            }
            a = b = k.own;
            hb_pixels(in, k.w, &c, &d, &a, &b);
            out[0] = hb_both(&k.scale, c);
            out[1] = hb_both(&k.scale, d);
            out += width;
            in += in_width;
        }
        if (out != bottom) {
            out[0] = hb_both(&k.scale, a);
            out[1] = hb_both(&k.scale, b);
            out += width;
        }
        while (out != bottom) {
            out[0] = none;
            out[1] = none;
            out += width;
        }
    }
}

// The requantizer never falls, so that of the largest sum is the largest pixel:
// one in four has to be requantized.
HB_INLINE uint32_t pooled(const struct hb_scale *k, uint32_t a, uint32_t b)
{
    const uint32_t upper = hb_most(a & 0xffff, b & 0xffff);
    return hb_requantized(k, hb_most(upper, hb_most(a, b) >> 16));
}

HB_OUTLINE void convolve_and_pool(uint32_t *restrict y, const uint32_t *x,
                                  const struct hb_channel *restrict channel,
                                  const HB_ROM hb_plane *plane)
{
    const struct hb_channel k = *channel;
    const size_t in_width = plane->in_width, width = plane->out_width;
    for (size_t left = plane->n_strips; left > 0; left--, x += 2, y++) {
        const uint32_t *in = x;
        const uint32_t *const end = x + plane->n_pairs * in_width;
        uint32_t *out = y;
        uint32_t a = k.own, b = k.own, c = k.own, d = k.own;
        hb_pixels(in, k.w, &c, &d, &a, &b);
        while (in != end) {
            c = d = k.own;
            in += in_width;
            hb_pixels(in, k.w, &a, &b, &c, &d);
            const uint32_t upper = pooled(&k.scale, a, b);
            *out = upper;
            if (in == end) {
                break;
            }
            a = b = k.own;
            in += in_width;
            hb_pixels(in, k.w, &c, &d, &a, &b);
            *out = upper | pooled(&k.scale, c, d) << 16;
            out += width;
        }
    }
}

void hb_plane_mul(uint32_t *y, const uint32_t *x, const uint8_t *span,
                  const int16_t *level, const HB_ROM int16_t *m,
                  const HB_ROM int32_t *b, const HB_ROM uint8_t *s, int8_t hi,
                  const HB_ROM hb_plane *plane)
{
    struct hb_channel k;
    const enum hb_fit fit = hb_channel_begin(&k, level, m, b, s, hi);
    if (fit != HB_TOGETHER) {
        hb_plane_apart_mul(y, x, &k, plane, fit == HB_APART);
    } else if (plane->pool) {
        convolve_and_pool(y, x, &k, plane);
    } else {
        convolve(y, x, span, &k, plane);
    }
}
