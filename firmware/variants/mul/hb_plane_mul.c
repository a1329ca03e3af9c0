// hb_plane_mul: a convolution of one channel, requantized, and the largest of
// every 2 x 2 pixels where it is pooled.
// SPDX-License-Identifier: Apache-2.0

#include "hb_plane_mul.h"
#include "hb_mul.h"

// What the sums of an output in the rows below begin with.
HB_INLINE uint32_t begun(uint32_t below, uint32_t own, enum hb_fit fit)
{
    return fit == HB_APART ? below : own;
}

HB_INLINE uint32_t upper(uint32_t sums, uint32_t own, enum hb_fit fit)
{
    return (sums & 0xffff) + (fit == HB_APART ? own & 0xffff : 0);
}

HB_INLINE uint32_t lower(uint32_t sums, uint32_t own, enum hb_fit fit)
{
    return (sums >> 16) + (fit == HB_APART ? own >> 16 : 0);
}

// The outputs of both rows.
HB_INLINE uint32_t both(const struct hb_scale *k, uint32_t sums, uint32_t own,
                        enum hb_fit fit)
{
    const uint32_t y = hb_requantized(k, lower(sums, own, fit)) << 16;
    return y | hb_requantized(k, upper(sums, own, fit));
}

// The rows of pixels that the span leaves out are zeros.
HB_INLINE void convolve(uint32_t *restrict y, const uint32_t *x,
                        const uint8_t *restrict span,
                        const struct hb_channel *channel,
                        const HB_ROM hb_plane *plane, enum hb_fit fit)
{
    HB_WEIGHTS(w, channel);
    const struct hb_scale scale = HB_SCALE(&channel->scale);
    const uint32_t own = channel->own, below = channel->below;
    const size_t in_width = plane->in_width, width = plane->out_width;
    const size_t size = plane->n_pairs * width;
    const uint32_t none = scale.none << 16 | scale.none;
    for (size_t left = plane->n_strips; left > 0; left--, x += 2, y += 2) {
        uint32_t *out = y, *const bottom = y + size;
        size_t first = 0, n = (size_t)plane->n_pairs + 1;
        if (span != NULL) {
            first = *span++;
            n = *span++;
        }
        const uint32_t *in = x + first * in_width;
        const uint32_t *const end = in + n * in_width;
        uint32_t a = own, b = own;
        if (first == 0) { // no outputs are above
            uint32_t p = begun(below, a, fit), q = p;
            hb_pixels(in, w, &p, &q, &a, &b);
            in += in_width;
            a = HB_OWN(a);
            b = HB_OWN(b);
        }
        for (; first > 1; first--) {
            out[0] = none;
            out[1] = none;
            out += width;
        }
        while (in != end) {
            uint32_t p = begun(below, a, fit), q = begun(below, b, fit);
            uint32_t c = own, d = own;
            hb_pixels(in, w, &p, &q, &c, &d);
            in += in_width;
            out[0] = both(&scale, p, a, fit);
            out[1] = both(&scale, q, b, fit);
            out += width;
            a = HB_OWN(c);
            b = HB_OWN(d);
        }
        if (out != bottom) {
            out[0] = both(&scale, begun(below, a, fit), a, fit);
            out[1] = both(&scale, begun(below, b, fit), b, fit);
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
HB_INLINE uint32_t pooled(const struct hb_scale *k, uint32_t p, uint32_t a,
                          uint32_t q, uint32_t b, enum hb_fit fit)
{
    const uint32_t v = hb_most(upper(p, a, fit), upper(q, b, fit));
    const uint32_t l = fit == HB_APART
                           ? hb_most(lower(p, a, fit), lower(q, b, fit))
                           : hb_most(p, q) >> 16;
    return hb_requantized(k, hb_most(v, l));
}

HB_INLINE void convolve_and_pool(uint32_t *restrict y, const uint32_t *x,
                                 const struct hb_channel *channel,
                                 const HB_ROM hb_plane *plane, enum hb_fit fit)
{
    HB_WEIGHTS(w, channel);
    const struct hb_scale scale = HB_SCALE(&channel->scale);
    const uint32_t own = channel->own, below = channel->below;
    const size_t in_width = plane->in_width, width = plane->out_width;
    const size_t size = plane->n_pairs * in_width;
    for (size_t left = plane->n_strips; left > 0; left--, x += 2, y++) {
        const uint32_t *in = x;
        const uint32_t *const end = x + size;
        uint32_t *out = y;
        uint32_t a = own, b = own;
        uint32_t p = begun(below, a, fit), q = p;
        hb_pixels(in, w, &p, &q, &a, &b);
        a = HB_OWN(a);
        b = HB_OWN(b);
        while (in != end) {
            uint32_t c = own, d = own;
            p = begun(below, a, fit);
            q = begun(below, b, fit);
            in += in_width;
            hb_pixels(in, w, &p, &q, &c, &d);
            const uint32_t first = pooled(&scale, p, a, q, b, fit);
            *out = first;
            if (in == end) {
                break;
            }
            c = HB_OWN(c);
            d = HB_OWN(d);
            p = begun(below, c, fit);
            q = begun(below, d, fit);
            a = b = own;
            in += in_width;
            hb_pixels(in, w, &p, &q, &a, &b);
            *out = first | pooled(&scale, p, c, q, d, fit) << 16;
            out += width;
            a = HB_OWN(a);
            b = HB_OWN(b);
        }
    }
}

HB_OUTLINE void together(uint32_t *y, const uint32_t *x, const uint8_t *span,
                         const struct hb_channel *k,
                         const HB_ROM hb_plane *plane)
{
    convolve(y, x, span, k, plane, HB_TOGETHER);
}

HB_OUTLINE void together_and_pool(uint32_t *y, const uint32_t *x,
                                  const struct hb_channel *k,
                                  const HB_ROM hb_plane *plane)
{
    convolve_and_pool(y, x, k, plane, HB_TOGETHER);
}

HB_OUTLINE void apart(uint32_t *y, const uint32_t *x, const uint8_t *span,
                      const struct hb_channel *k, const HB_ROM hb_plane *plane)
{
    convolve(y, x, span, k, plane, HB_APART);
}

HB_OUTLINE void apart_and_pool(uint32_t *y, const uint32_t *x,
                               const struct hb_channel *k,
                               const HB_ROM hb_plane *plane)
{
    convolve_and_pool(y, x, k, plane, HB_APART);
}

void hb_plane_mul(uint32_t *y, const uint32_t *x, const uint8_t *span,
                  const int16_t *level, const HB_ROM int16_t *m,
                  const HB_ROM int32_t *b, const HB_ROM uint8_t *s, int8_t hi,
                  const HB_ROM hb_plane *plane)
{
    struct hb_channel k;
    const enum hb_fit fit = hb_channel_begin(&k, level, m, b, s, hi);
    if (fit == HB_ONE_BY_ONE) {
        hb_plane_one_by_one_mul(y, x, &k, plane);
    } else if (fit == HB_TOGETHER) {
        if (plane->pool) {
            together_and_pool(y, x, &k, plane);
        } else {
            together(y, x, span, &k, plane);
        }
    } else if (plane->pool) {
        apart_and_pool(y, x, &k, plane);
    } else {
        apart(y, x, span, &k, plane);
    }
}
