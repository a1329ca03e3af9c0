// hb_input_shift_<type> and hb_resize_area.
// SPDX-License-Identifier: Apache-2.0

#include "check.h"
#include "naive.h"
#include "test_kernels.h"

#include <stdlib.h>
#include <string.h>

// ---- input_shift ----------------------------------------------------------

struct rule {
    int16_t offset;
    uint8_t shift;
    int8_t lo, hi;
};

static void expect(const int8_t *y, size_t i, int64_t x, const struct rule *r,
                   const char *what)
{
    const int64_t v = naive_floor_shift(x + r->offset, r->shift);
    CHECK(y[i] == naive_clamp(v, r->lo, r->hi), "%s: (%ld + %d) >> %d is %d",
          what, (long)x, r->offset, r->shift, y[i]);
}

// Every value of 8 bits, apart from the input and in its place.
static void bytes_are_shifted(const struct rule *r)
{
    uint8_t u8[256];
    int8_t i8[256];
    for (int i = 0; i < 256; i++) {
        u8[i] = (uint8_t)i;
        i8[i] = (int8_t)(i - 128);
    }
    int8_t *y = guard_new(256, 0x00);
    int8_t *y_u8 = memcpy(guard_new(256, 0), u8, 256);
    int8_t *y_i8 = memcpy(guard_new(256, 0), i8, 256);
    hb_input_shift_u8(y_u8, (uint8_t *)y_u8, r->offset, r->shift, r->lo, r->hi,
                      256);
    hb_input_shift_i8(y_i8, y_i8, r->offset, r->shift, r->lo, r->hi, 256);
    hb_input_shift_u8(y, u8, r->offset, r->shift, r->lo, r->hi, 256);
    for (size_t i = 0; i < 256; i++) {
        expect(y, i, u8[i], r, "u8");
        expect(y_u8, i, u8[i], r, "u8 in place");
        expect(y_i8, i, i8[i], r, "i8 in place");
    }
    hb_input_shift_i8(y, i8, r->offset, r->shift, r->lo, r->hi, 256);
    CHECK(memcmp(y, y_i8, 256) == 0, "i8 in place differs");
    guard_free(y_i8, "input_shift_i8");
    guard_free(y_u8, "input_shift_u8");
    guard_free(y, "input_shift");
}

// n values of 16 bits, the ends of the range among them.
static void words_are_shifted(const struct rule *r, size_t n)
{
    int16_t *x = guard_new(n * sizeof *x, 0);
    for (size_t i = 0; i < n; i++) {
        x[i] = (int16_t)(i == 0   ? INT16_MIN
                         : i == 1 ? INT16_MAX
                                  : random_in(INT16_MIN, INT16_MAX));
    }
    int16_t *copy = copy_of(x, n * sizeof *x);
    int8_t *y = guard_new(n, 0xff);
    hb_input_shift_i16(y, x, r->offset, r->shift, r->lo, r->hi, n);
    hb_input_shift_i16((int8_t *)x, x, r->offset, r->shift, r->lo, r->hi, n);
    for (size_t i = 0; i < n; i++) {
        expect(y, i, copy[i], r, "i16");
        expect((int8_t *)x, i, copy[i], r, "i16 in place");
    }
    guard_free(y, "input_shift_i16");
    guard_free(x, "input_shift_i16");
    free(copy);
}

static void test_input_shift(void)
{
    static const int16_t offsets[] = {INT16_MIN, -1000, -128, -4,       -1,
                                      0,         1,     64,   INT16_MAX};
    static const int8_t ranges[][2] = {{0, 127}, {-127, 127}, {0, 15}};
    for (uint8_t shift = 0; shift <= 15; shift++) {
        for (size_t k = 0; k < sizeof offsets / sizeof *offsets; k++) {
            for (size_t range = 0; range < 3; range++) {
                const struct rule r = {offsets[k], shift, ranges[range][0],
                                       ranges[range][1]};
                bytes_are_shifted(&r);
                words_are_shifted(&r, (size_t)(7 * shift % 40));
            }
        }
    }
}

// ---- resize_area ----------------------------------------------------------

static void every_sum_of_28_to_16_divides_by_49(void)
{
    for (uint32_t s = 0; s <= 255 * 49; s++) {
        CHECK((s * 2675) >> 17 == s / 49, "%lu", (unsigned long)s);
    }
    const struct reciprocal r = naive_reciprocal(49);
    CHECK(r.mul == 2675 && r.shift == 17, "%lu >> %d", (unsigned long)r.mul,
          r.shift);
}

static void image_is_resized(const uint8_t *x, size_t in_h, size_t in_w,
                             size_t out_h, size_t out_w)
{
    const size_t d = naive_area(in_h, in_w, out_h, out_w);
    const struct reciprocal r = naive_reciprocal((uint32_t)d);
    uint8_t *y = guard_new(out_h * out_w, 0x5a);
    hb_resize_area(y, x, in_h, in_w, out_h, out_w, r.mul, r.shift);
    for (size_t i = 0; i < out_h * out_w; i++) {
        const uint8_t want = naive_resized_pixel(x, in_h, in_w, out_h, out_w,
                                                 i / out_w, i % out_w);
        CHECK(y[i] == want, "%lux%lu to %lux%lu: pixel %lu is %d not %d",
              (unsigned long)in_h, (unsigned long)in_w, (unsigned long)out_h,
              (unsigned long)out_w, (unsigned long)i, y[i], want);
    }
    guard_free(y, "resize_area");
}

static void resized_equals_the_naive_one(size_t in_h, size_t in_w, size_t out_h,
                                         size_t out_w, int lowest)
{
    uint8_t *x = allocate(in_h * in_w);
    for (size_t i = 0; i < in_h * in_w; i++) {
        const int64_t value = random_in(lowest, 255);
        x[i] = (uint8_t)(value < 0 ? 0 : value);
    }
    image_is_resized(x, in_h, in_w, out_h, out_w);
    free(x);
}

// Black but for one pixel: what a kernel skips must not hold it.
static void every_single_pixel_is_seen(size_t in_h, size_t in_w, size_t out_h,
                                       size_t out_w)
{
    uint8_t *x = allocate(in_h * in_w);
    memset(x, 0, in_h * in_w);
    image_is_resized(x, in_h, in_w, out_h, out_w);
    for (size_t i = 0; i < in_h * in_w; i++) {
        x[i] = 255;
        image_is_resized(x, in_h, in_w, out_h, out_w);
        x[i] = 0;
    }
    free(x);
}

static void test_resize_area(void)
{
    every_sum_of_28_to_16_divides_by_49();
    resized_equals_the_naive_one(28, 28, 16, 16, 0);
    resized_equals_the_naive_one(28, 28, 16, 16, 255);
    resized_equals_the_naive_one(28, 28, 14, 14, 0);
    resized_equals_the_naive_one(16, 16, 28, 28, 0);
    resized_equals_the_naive_one(1, 1, 40, 1, 0);
    resized_equals_the_naive_one(5, 5, 0, 0, 0);
    resized_equals_the_naive_one(5, 5, 0, 3, 0);
    resized_equals_the_naive_one(5, 5, 3, 0, 0);
    resized_equals_the_naive_one(1, 256, 1, 257, -255); // 65792 parts
    resized_equals_the_naive_one(256, 1, 257, 1, -255);
    resized_equals_the_naive_one(64, 64, 1, 1, 250);
    for (size_t w = 1; w <= 9; w++) {
        every_single_pixel_is_seen(3, w, 2, 6);
        every_single_pixel_is_seen(w, 8, 4, 3);
    }
    for (int trial = 0; trial < 400; trial++) {
        const size_t in_h = (size_t)random_in(1, 12);
        const size_t in_w = (size_t)random_in(1, 12);
        resized_equals_the_naive_one(in_h, in_w, (size_t)random_in(1, 13),
                                     (size_t)random_in(1, 13),
                                     trial % 4 ? -500 * (trial % 2) : 250);
    }
}

void test_input(void)
{
    test_input_shift();
    test_resize_area();
}
