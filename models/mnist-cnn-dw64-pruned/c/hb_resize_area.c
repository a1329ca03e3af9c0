// hb_resize_area: images to another size, every pixel by the area it covers.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"

// One axis of the image, cut into parts (SPEC 2.1).
struct axis {
    size_t covers; // parts that an output pixel covers, `rows` or `cols`
    size_t parts;  // parts that an input pixel is cut into
};

// Not inlined: it is called twice, and is small rather than fast.
#define HB_APART __attribute__((noinline)) static

// Input and output pixels side by side until both end at the same place. What
// the input is ahead by is in (-n_out, n_in].
HB_APART struct axis axis_of(size_t n_in, size_t n_out)
{
    struct axis axis = {0, 0};
    ptrdiff_t ahead = 0;
    do {
        if (ahead > 0) {
            ahead -= (ptrdiff_t)n_out;
            axis.covers++;
        } else {
            ahead += (ptrdiff_t)n_in;
            axis.parts++;
        }
    } while (ahead != 0);
    return axis;
}

// How many of n pixels are 0, in front of the others; seen two at a time.
static inline size_t zeros(const uint8_t *x, size_t n)
{
    const uint8_t *p = x;
    const uint8_t *const end = x + n;
    while (p != end && (p[0] | p[1]) == 0) {
        p += 2;
    }
    return (size_t)(p - x);
}

void hb_resize_area(uint8_t *y, const uint8_t *x, size_t in_h, size_t in_w,
                    size_t out_h, size_t out_w, uint32_t mul, uint8_t shift)
{
    if (out_h == 0 || out_w == 0) {
        return;
    }
    const struct axis h = axis_of(in_w, out_w);
    const struct axis v = axis_of(in_h, out_h);
    // 255 * 2^shift <= 255 * rows * cols * mul < 2^32, so shift <= 24. A mean
    // is at most 255, so sum * mul < 2^(8 + shift): it fits this way, too, and
    // the mean is its uppermost byte.
    mul <<= 24 - shift;
    size_t left = v.parts; // of the row at x, what is not behind
    do {
        // The output row begins in the row at `top`, with its last `first`
        // parts. Columns in front of `column` are 0 in all rows under it.
        const uint8_t *const top = x;
        const size_t first = left;
        size_t column = in_w & ~(size_t)1;
        size_t need = v.covers;
        for (;;) {
            column = zeros(x, column);
            if (left > need) {
                left -= need;
                break;
            }
            need -= left;
            left = v.parts;
            x += in_w;
            if (need == 0) {
                break;
            }
        }
        uint32_t behind = (uint32_t)h.parts * (uint32_t)column;
        for (; behind >= h.covers; behind -= (uint32_t)h.covers) {
            *y++ = 0;
        }

        need = h.covers - (size_t)behind; // parts that the output pixel lacks
        uint32_t sum = 0;                 // of those it has
        for (const uint8_t *at = top + column; at != top + in_w; at++) {
            const uint8_t *p = at;
            uint32_t total = 0; // of this column
            size_t n = first;
            size_t rest = v.covers;
            for (; rest > n; n = v.parts) {
                total += (uint32_t)n * *p;
                p += in_w;
                rest -= n;
            }
            total += (uint32_t)rest * *p;
            size_t more = h.parts;
            for (; more >= need; need = h.covers) {
                more -= need;
                sum += (uint32_t)need * total;
                *y++ = (uint8_t)((sum * mul) >> 24);
                sum = 0;
            }
            need -= more;
            sum += (uint32_t)more * total;
        }
    } while (--out_h > 0);
}
