// Kernels of variants that take what the portable ones take: the same results.
// SPDX-License-Identifier: Apache-2.0

#include "test_same.h"
#include "check.h"
#include "hb_avr.h"
#include "hb_mul.h"
#include "naive.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3000, MAX_N = 300, MAX_ROW = 300 * 600 };

static int32_t random_in(int32_t lo, int32_t hi)
{
    static uint64_t state = 7;
    state = state * 6364136223846793005u + 1442695040888963407u;
    const uint32_t range = (uint32_t)hi - (uint32_t)lo + 1;
    return (int32_t)(lo + (int64_t)((state >> 32) % range));
}

static uint8_t random_byte(void)
{
    return (uint8_t)random_in(0, 255);
}

static int one_of(const int *values, int n)
{
    return values[random_in(0, n - 1)];
}

// ---- Windows --------------------------------------------------------------

static struct {
    hb_window window;
    size_t first;
    int8_t row[3][MAX_ROW];
    const int8_t *rows[3];
} w;

// A window that a fast kernel may know, changed in some things at times.
static void random_window(uint8_t kernel, uint8_t stride)
{
    const uint16_t n_out =
        (uint16_t)random_in(0, one_of((int[]){3, 20, 260}, 3));
    const uint8_t pad = (uint8_t)one_of((int[]){0, 0, 1, 2}, 4);
    const int span = n_out == 0 ? 0 : (n_out - 1) * stride + kernel;
    w.window = (hb_window){n_out, 0, 1, 1, kernel, kernel, stride, pad};
    w.first = 0;
    int n_in = span - pad - random_in(0, pad) + one_of((int[]){0, 0, 1}, 3);
    n_in = n_in < 1 ? 1 : n_in;
    const int change = random_in(0, 11);
    w.window.kernel_h = (uint8_t)(change == 1 ? kernel - 1 : kernel);
    w.window.kernel_w = (uint8_t)(change == 2 ? kernel - 1 : kernel);
    if (change >= 3 && change <= 5) {
        w.window.pixel = (uint16_t)one_of((int[]){2, 3, 16, 300}, 4);
        w.first = (size_t)random_in(0, 1);
        w.window.channels = (uint16_t)(change == 3 ? 2 - w.first : 1);
    }
    if (change == 6) {
        w.window.stride = (uint8_t)(3 - stride);
        w.window.n_out = (uint16_t)(n_out / 2);
    }
    w.window.n_in = (uint16_t)n_in;
    const size_t size = (size_t)n_in * w.window.pixel;
    for (size_t y = 0; y < 3; y++) {
        const int end = one_of((int[]){127, 127, 127, 3}, 4);
        for (size_t x = 0; x < size; x++) {
            w.row[y][x] = (int8_t)(end == 127 && random_in(0, 2) == 0
                                       ? one_of((int[]){-127, 127}, 2)
                                       : random_in(-end, end));
        }
        w.rows[y] = change > 8 && random_in(0, 1) == 0 ? NULL : w.row[y];
    }
}

static void same_convolution(void)
{
    static int32_t want[300];
    uint8_t codes[18];
    random_window(3, 1);
    const uint8_t end = random_byte();
    for (size_t k = 0; k < sizeof codes; k++) {
        codes[k] =
            end < 100 ? (uint8_t)one_of((int[]){127, 129}, 2) : random_byte();
        codes[k] = codes[k] == 128 ? 0 : codes[k];
    }
    const size_t size = w.window.n_out * sizeof *want;
    hb_conv_int8(want, w.rows, codes, w.first, &w.window);
    int32_t *acc = guard_new(size, 0xa5);
    hb_conv_int8_avr(acc, w.rows, codes, w.first, &w.window);
    CHECK(memcmp(acc, want, size) == 0, "hb_conv_int8_avr, %u pixels",
          w.window.n_out);
    guard_free(acc, "hb_conv_int8_avr");
}

static void same_maximum(void)
{
    static int8_t want[600];
    random_window(2, 2);
    if (w.rows[0] == NULL && w.rows[1] == NULL) {
        return; // a window has one pixel of the map
    }
    const size_t size = (size_t)w.window.n_out * w.window.channels;
    hb_maxpool(want, w.rows, &w.window);
    int8_t *y = guard_new(size, 0xa5);
    hb_maxpool_avr(y, w.rows, &w.window);
    CHECK(memcmp(y, want, size) == 0, "hb_maxpool_avr, %u pixels",
          w.window.n_out);
    guard_free(y, "hb_maxpool_avr");
}

// ---- Requantizers ---------------------------------------------------------

static struct {
    int8_t lo, hi;
    int32_t acc[MAX_N];
    int16_t m[MAX_N];
    int32_t b[MAX_N];
    uint8_t s[MAX_N];
} q;

// Products and sums of them below 2^31, of all sizes.
static void random_sums(size_t n)
{
    q.hi = (int8_t)one_of((int[]){127, 15, 1, 100}, 4);
    q.lo = (int8_t)(random_in(0, 1) ? 0 : -q.hi);
    for (size_t i = 0; i < n; i++) {
        const int bits = random_in(0, 15);
        q.m[i] = (int16_t)random_in(-(1 << bits), (1 << bits) - 1);
        q.s[i] = (uint8_t)random_in(0, 31);
        q.b[i] = random_in(-(1 << 29), 1 << 29);
        if (random_in(0, 1)) {
            q.b[i] >>= random_in(0, 29);
        }
    }
    const int32_t most = (1 << 30) >> random_in(0, 15);
    for (size_t i = 0; i < n; i++) {
        const int32_t bound = most / (abs(q.m[0]) + 1);
        q.acc[i] = random_in(-bound, bound);
    }
}

static void same_channel(void)
{
    const size_t n = (size_t)random_in(0, random_in(0, 9) ? 20 : 260);
    const size_t step = (size_t)one_of((int[]){1, 1, 2, 16, 255, 256}, 6);
    static int8_t want[MAX_N * 256];
    random_sums(n + 1);
    memset(want, 0x5a, n * step);
    hb_mulshift_channel(want, step, q.acc, q.m, q.b, q.s, q.lo, q.hi, n);
    int8_t *y = guard_new(n * step, 0x5a);
    hb_mulshift_channel_avr(y, step, q.acc, q.m, q.b, q.s, q.lo, q.hi, n);
    CHECK(memcmp(y, want, n * step) == 0,
          "hb_mulshift_channel_avr, %lu sums, m %d b %ld s %u",
          (unsigned long)n, q.m[0], (long)q.b[0], q.s[0]);
    guard_free(y, "hb_mulshift_channel_avr");
}

static void same_vector(void)
{
    const size_t n = (size_t)random_in(0, 20);
    random_sums(n + 1);
    for (size_t i = 0; i < n; i++) {
        q.acc[i] = q.acc[i] / 256 / (abs(q.m[i]) + 1);
    }
    int8_t want[20];
    hb_mulshift(want, q.acc, q.m, q.b, q.s, q.lo, q.hi, n);
    int32_t *acc = copy_of(q.acc, n * sizeof *acc);
    int8_t *y = (int8_t *)acc; // on the sums' first bytes
    hb_mulshift_avr(y, acc, q.m, q.b, q.s, q.lo, q.hi, n);
    CHECK(memcmp(y, want, n) == 0, "hb_mulshift_avr, %lu sums",
          (unsigned long)n);
    free(acc);
}

// A maximum at the ends of what a shift is right for, and sums at both ends.
static void same_maxshift(void)
{
    static const struct {
        const char *name;
        void (*run)(int8_t *, const int32_t *, int8_t, int8_t, size_t);
    } kernels[] = {{"hb_maxshift_mul", hb_maxshift_mul},
                   {"hb_maxshift_avr", hb_maxshift_avr}};
    const size_t n = (size_t)random_in(0, random_in(0, 9) ? 20 : 260);
    const int8_t hi = (int8_t)one_of((int[]){127, 15, 1, 100}, 4);
    const int8_t lo = (int8_t)(random_in(0, 1) ? 0 : -hi);
    const int32_t largest = (1 << 30) >> random_in(0, 30);
    const int32_t bound = largest - random_in(0, largest > 1);
    for (size_t i = 0; i < n; i++) {
        q.acc[i] = random_in(-bound, bound);
    }
    if (n > 0 && random_in(0, 1)) {
        q.acc[random_in(0, (int32_t)n - 1)] = random_in(0, 1) ? bound : -bound;
    }
    int8_t want[MAX_N];
    hb_maxshift(want, q.acc, lo, hi, n);
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        int32_t *acc = copy_of(q.acc, n * sizeof *acc);
        int8_t *y = (int8_t *)acc; // on the sums' first bytes
        kernels[i].run(y, acc, lo, hi, n);
        CHECK(memcmp(y, want, n) == 0, "%s, %lu sums up to %ld",
              kernels[i].name, (unsigned long)n, (long)bound);
        free(acc);
    }
}

// ---- All of them ----------------------------------------------------------

static const struct {
    const char *name;
    void (*test)(void);
} tests[] = {
    {"hb_conv_int8_avr", same_convolution},
    {"hb_maxpool_avr", same_maximum},
    {"hb_mulshift_channel_avr", same_channel},
    {"hb_mulshift_avr", same_vector},
    {"hb_maxshift_mul", same_maxshift},
    {"hb_maxshift_avr", same_maxshift},
};

unsigned long test_same(const char *name)
{
    unsigned long tested = 0;
    for (size_t k = 0; k < sizeof tests / sizeof *tests; k++) {
        if (name == NULL || strcmp(name, tests[k].name) == 0) {
            for (int i = 0; i < ROUNDS; i++) {
                tests[k].test();
            }
            tested++;
        }
    }
    return tested;
}
