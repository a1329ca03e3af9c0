// hb_resize_area: images to another size, every pixel by the area it covers.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"

// Not inlined: it is called twice, and is small rather than fast.
#define HB_APART __attribute__((noinline)) static

// One axis of the image, cut into parts (SPEC 2.1).
struct axis {
    size_t covers; // parts that an output pixel covers, `rows` or `cols`
    size_t parts;  // parts that an input pixel is cut into
    size_t i;      // the input pixel where the current output pixel begins,
    size_t left;   // and how many of that pixel's parts are not behind it
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t gcd(size_t a, size_t b)
{
    while (b > 0) {
        while (a >= b) {
            a -= b;
        }
        const size_t rest = a;
        a = b;
        b = rest;
    }
    return a;
}

// a / b for a that b divides; by subtraction, for chips without a divider.
static size_t quotient(size_t a, size_t b)
{
    size_t q = 0;
    for (; a > 0; a -= b) {
        q++;
    }
    return q;
}

HB_APART void axis_cut(struct axis *a, size_t n_in, size_t n_out)
{
    const size_t g = gcd(n_in, n_out);
    a->covers = quotient(n_in, g);
    a->parts = quotient(n_out, g);
}

static void axis_begin(struct axis *a)
{
    a->i = 0;
    a->left = a->parts;
}

HB_APART void axis_next(struct axis *a)
{
    size_t need = a->covers;
    for (; need >= a->left; a->left = a->parts) {
        need -= a->left;
        a->i++;
    }
    a->left -= need;
}

// Sum over j of cx[j] * row[j], for the output pixel that begins at `a`.
static uint32_t sum_row(const uint8_t *row, const struct axis *a)
{
    uint32_t sum = 0;
    size_t left = a->left;
    const uint8_t *x = row + a->i;
    for (size_t need = a->covers; need > 0; left = a->parts) {
        const size_t cx = smaller(left, need);
        sum += (uint32_t)cx * *x++;
        need -= cx;
    }
    return sum;
}

void hb_resize_area(uint8_t *y, const uint8_t *x, size_t in_h, size_t in_w,
                    size_t out_h, size_t out_w, uint32_t mul, uint8_t shift)
{
    struct axis v, h;
    axis_cut(&v, in_h, out_h);
    axis_cut(&h, in_w, out_w);
    axis_begin(&v);
    for (size_t oy = 0; oy < out_h; oy++, axis_next(&v)) {
        axis_begin(&h);
        for (size_t ox = 0; ox < out_w; ox++, axis_next(&h)) {
            uint32_t sum = 0;
            size_t left = v.left;
            const uint8_t *row = x + v.i * in_w;
            for (size_t need = v.covers; need > 0; left = v.parts) {
                const size_t ry = smaller(left, need);
                sum += (uint32_t)ry * sum_row(row, &h);
                need -= ry;
                row += in_w;
            }
            *y++ = (uint8_t)((sum * mul) >> shift);
        }
    }
}
