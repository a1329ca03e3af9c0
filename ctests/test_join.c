// hb_add, hb_concat, hb_lookup, hb_clip, hb_input_planes_<type>.
// SPDX-License-Identifier: Apache-2.0

#include "check.h"
#include "naive.h"
#include "test_kernels.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_N = 40, ALL = 255, POISON = 0x5a };

static const int8_t ranges[][2] = {{0, 127}, {-127, 127}, {0, 15}, {-15, 15}};

static int8_t requantized(int64_t v, uint8_t s, const int8_t *range)
{
    return (int8_t)naive_clamp(naive_floor_shift(v + naive_half(s), s),
                               range[0], range[1]);
}

static int16_t random_multiplier(void)
{
    const int64_t end = ((int64_t)1 << random_in(0, 15)) - 1;
    return (int16_t)(random_in(0, 9) ? random_in(-end, end) : INT16_MIN);
}

static int8_t *random_activations(size_t n)
{
    int8_t *x = guard_new(n, 0);
    for (size_t i = 0; i < n; i++) {
        x[i] = (int8_t)(random_in(0, 3)   ? random_in(-127, 127)
                        : random_in(0, 1) ? 127
                                          : -127);
    }
    return x;
}

// ---- add ------------------------------------------------------------------

static void sums_equal_the_naive_ones(size_t n, uint8_t s, const int8_t *range)
{
    int16_t *m = copy_of((int16_t[]){random_multiplier(), random_multiplier()},
                         2 * sizeof *m);
    int8_t *a = random_activations(n), *b = random_activations(n);
    int8_t *over_a = memcpy(guard_new(n, 0), a, n);
    int8_t *over_b = memcpy(guard_new(n, 0), b, n);
    int8_t *y = guard_new(n, POISON);
    hb_add(y, a, b, m, s, range[0], range[1], n);
    hb_add(over_a, over_a, b, m, s, range[0], range[1], n);
    hb_add(over_b, a, over_b, m, s, range[0], range[1], n);
    for (size_t i = 0; i < n; i++) {
        const int64_t v = (int64_t)a[i] * m[0] + (int64_t)b[i] * m[1];
        const int8_t want = requantized(v, s, range);
        CHECK(y[i] == want && over_a[i] == want && over_b[i] == want,
              "add: %d * %d + %d * %d >> %d is %d, %d, %d", a[i], m[0], b[i],
              m[1], s, y[i], over_a[i], over_b[i]);
    }
    guard_free(y, "add");
    guard_free(over_b, "add");
    guard_free(over_a, "add");
    guard_free(b, "add");
    guard_free(a, "add");
    free(m);
}

// ---- concat ---------------------------------------------------------------

// Writes `channels` channels from `first` on into a map of `step` channels.
static void channels_land_where_they_should(size_t n_pixels, size_t channels,
                                            size_t first, size_t step,
                                            uint8_t s, const int8_t *range)
{
    const int16_t m = random_multiplier();
    int8_t *x = random_activations(n_pixels * channels);
    int8_t *y = guard_new(n_pixels * step, POISON);
    hb_concat(y + first, step, x, m, s, range[0], range[1], n_pixels, channels);
    for (size_t i = 0; i < n_pixels * step; i++) {
        const size_t p = i / step, c = i % step - first;
        const int8_t want =
            c < channels
                ? requantized((int64_t)x[p * channels + c] * m, s, range)
                : POISON;
        CHECK(y[i] == want, "concat: %d not %d", y[i], want);
    }
    guard_free(y, "concat");
    guard_free(x, "concat");
}

// ---- lookup and clip ------------------------------------------------------

static void every_activation_is_looked_up(const int8_t *range)
{
    const size_t n = (size_t)(range[1] - range[0] + 1);
    int8_t *table = random_activations(n);
    int8_t *copy = copy_of(table, n);
    int8_t *x = guard_new(n, 0), *y = guard_new(n, POISON);
    for (size_t i = 0; i < n; i++) {
        x[i] = (int8_t)(range[1] - (int)i);
    }
    hb_lookup(y, x, copy, range[0], n);
    hb_lookup(x, x, copy, range[0], n);
    for (size_t i = 0; i < n; i++) {
        CHECK(y[i] == table[n - 1 - i] && x[i] == y[i], "lookup: %d, %d", y[i],
              x[i]);
    }
    guard_free(y, "lookup");
    guard_free(x, "lookup");
    free(copy);
    guard_free(table, "lookup");
}

static void every_activation_is_clipped(const int8_t *range)
{
    int8_t *x = guard_new(ALL, 0), *y = guard_new(ALL, POISON);
    for (int i = 0; i < ALL; i++) {
        x[i] = (int8_t)(i - 127);
    }
    hb_clip(y, x, range[0], range[1], ALL);
    hb_clip(x, x, range[0], range[1], ALL);
    for (int i = 0; i < ALL; i++) {
        const int64_t want = naive_clamp(i - 127, range[0], range[1]);
        CHECK(y[i] == want && x[i] == want, "clip: %d, %d", y[i], x[i]);
    }
    guard_free(y, "clip");
    guard_free(x, "clip");
}

// ---- input_planes ---------------------------------------------------------

static void planes_become_a_map(size_t n_pixels, size_t channels)
{
    const size_t n = n_pixels * channels;
    const int64_t end = random_in(0, 1) ? INT16_MAX : 64;
    const int16_t offset = (int16_t)random_in(-end - 1, end);
    const uint8_t shift = (uint8_t)random_in(0, end < 128 ? 4 : 15);
    int16_t *i16 = guard_new(n * sizeof *i16, 0);
    int8_t *i8 = guard_new(n, 0);
    uint8_t *u8 = guard_new(n, 0);
    int8_t *y[3];
    for (size_t i = 0; i < n; i++) {
        i16[i] = (int16_t)random_in(INT16_MIN, INT16_MAX);
        u8[i] = (uint8_t)i16[i];
        i8[i] = (int8_t)random_in(-128, 127);
    }
    for (int k = 0; k < 3; k++) {
        y[k] = guard_new(n, POISON);
    }
    hb_input_planes_u8(y[0], u8, offset, shift, -127, 127, n_pixels, channels);
    hb_input_planes_i8(y[1], i8, offset, shift, 0, 15, n_pixels, channels);
    hb_input_planes_i16(y[2], i16, offset, shift, 0, 127, n_pixels, channels);
    for (size_t i = 0; i < n; i++) {
        const size_t at = i % channels * n_pixels + i / channels;
        const int64_t v[] = {u8[at], i8[at], i16[at]};
        const int lo[] = {-127, 0, 0}, hi[] = {127, 15, 127};
        for (int k = 0; k < 3; k++) {
            const int64_t want = naive_clamp(
                naive_floor_shift(v[k] + offset, shift), lo[k], hi[k]);
            CHECK(y[k][i] == want, "planes: (%ld + %d) >> %d is %d", (long)v[k],
                  offset, shift, y[k][i]);
        }
    }
    for (int k = 0; k < 3; k++) {
        guard_free(y[k], "input_planes");
    }
    guard_free(u8, "input_planes");
    guard_free(i8, "input_planes");
    guard_free(i16, "input_planes");
}

void test_join(void)
{
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
        every_activation_is_looked_up(ranges[k]);
        every_activation_is_clipped(ranges[k]);
        for (uint8_t s = 0; s <= 31; s++) {
            sums_equal_the_naive_ones((size_t)random_in(0, MAX_N), s,
                                      ranges[k]);
            const size_t channels = (size_t)random_in(1, 6);
            const size_t first = (size_t)random_in(0, 4);
            channels_land_where_they_should(
                (size_t)random_in(0, 9), channels, first,
                first + channels + (size_t)random_in(0, 2), s, ranges[k]);
        }
    }
    for (size_t n_pixels = 0; n_pixels < 10; n_pixels++) {
        for (size_t channels = 1; channels < 6; channels++) {
            planes_become_a_map(n_pixels, channels);
        }
    }
}
