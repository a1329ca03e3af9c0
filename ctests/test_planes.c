// The plane kernels: the same activations as a naive convolution, requantizer
// and pooling, at every size, and for sums at the bound of half a word.
// SPDX-License-Identifier: Apache-2.0

#include "test_planes.h"

#include "check.h"
#include "hb_mul.h"
#include "naive.h"

#include <stdlib.h>
#include <string.h>

typedef void plane_fn(int8_t *, const int8_t *, const int16_t *,
                      const HB_ROM int16_t *, const HB_ROM int32_t *,
                      const HB_ROM uint8_t *, int8_t, const HB_ROM hb_plane *);

struct kernel {
    const char *name;
    plane_fn *plane; // NULL: two channels at a time
    size_t pool;     // pixels that one is made of, each way
};

static const struct kernel kernels[] = {
    {"hb_plane_mul", hb_plane_mul, 1},
    {"hb_plane_pool_mul", hb_plane_pool_mul, 2},
    {"hb_plane_two_mul", NULL, 1},
};

enum { MAX_SIDE = 18 };

static struct {
    size_t height, width; // of the input, 3 or more
    int8_t map[MAX_SIDE][MAX_SIDE];
    int16_t level[18]; // of two channels, as the rest
    int16_t m[2];
    int32_t b[2];
    uint8_t s[2];
    int8_t hi;
} p;

static int32_t random_in(int32_t lo, int32_t hi)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return lo + (int32_t)((state >> 8) % (uint32_t)(hi - lo + 1));
}

static int64_t naive_pixel(size_t c, size_t y, size_t x)
{
    int64_t sum = 0;
    for (size_t k = 0; k < 9; k++) {
        sum += (int64_t)p.level[9 * c + k] * p.map[y + k / 3][x + k % 3];
    }
    return naive_clamp(naive_floor_shift(sum * p.m[c] + p.b[c], p.s[c]), 0,
                       p.hi);
}

static int64_t naive_most(const struct kernel *k, size_t c, size_t y, size_t x)
{
    int64_t most = 0;
    for (size_t i = 0; i < k->pool * k->pool; i++) {
        const int64_t v = naive_pixel(c, y * k->pool + i / k->pool,
                                      x * k->pool + i % k->pool);
        most = v > most ? v : most;
    }
    return most;
}

static void compare(const struct kernel *k, size_t c, const int8_t *out,
                    const hb_plane *plane, const char *what)
{
    for (size_t y = 0; y < (p.height - 2) / k->pool; y++) {
        for (size_t x = 0; x < (p.width - 2) / k->pool; x++) {
            const size_t at = y / 2 * plane->out_pair +
                              y % 2 * plane->out_lane + x * plane->out_pixel;
            const int64_t want = naive_most(k, c, y, x);
            CHECK(out[at] == want, "%s, %s, %lux%lu: (%lu, %lu) is %d not %d",
                  k->name, what, (unsigned long)p.height,
                  (unsigned long)p.width, (unsigned long)y, (unsigned long)x,
                  out[at], (int)want);
        }
    }
}

// The planes lie one behind the other, five bytes apart.
static void run_two(int8_t *first, int8_t *second, size_t n, const int8_t *in,
                    const hb_plane *plane)
{
    int8_t *const both = guard_new(2 * n + 5, 0x5a);
    hb_plane_two_mul(both, n + 5, in, p.level, p.m, p.b, p.s, p.hi, plane);
    for (size_t i = n; i < n + 5; i++) {
        CHECK(both[i] == 0x5a, "hb_plane_two_mul wrote behind %lu bytes",
              (unsigned long)n);
    }
    memcpy(first, both, n);
    memcpy(second, both + n + 5, n);
    guard_free(both, "hb_plane_two_mul");
}

// Into a plane (channels 0), or a channel of a map of so many, where the rows
// of the convolution are even in number.
static void equals_the_naive_one(const struct kernel *k, size_t channels,
                                 const char *what)
{
    const size_t rows = p.height - 2, height = rows / k->pool;
    const size_t width = (p.width - 2) / k->pool;
    const size_t lane = channels ? width * channels : 1;
    const size_t pixel = channels ? channels : 2;
    const hb_plane plane = {
        .n_out = (uint16_t)(k->pool * width),
        .n_pairs = (uint16_t)(k->pool == 2 ? height : (rows + 1) / 2),
        .in_pair = (uint16_t)(2 * p.width),
        .out_lane = (uint16_t)lane,
        .out_pixel = (uint16_t)pixel,
        .out_pair = (uint16_t)(width * (channels ? 2 * channels : 2)),
    };
    const size_t n = (channels ? channels : 1) * width *
                     (channels ? height : (height + 1) / 2 * 2);
    int8_t *const map = allocate(p.height * p.width);
    for (size_t y = 0; y < p.height; y++) {
        memcpy(map + y * p.width, p.map[y], p.width);
    }
    int8_t *const in = guard_new((p.height + 1) / 2 * 2 * p.width, 0x7f);
    hb_zip(in, map, 1, p.width, p.height);
    int8_t *const out = guard_new(n, 0x5a);
    int8_t *const second = guard_new(n, 0x5a);
    if (k->plane) {
        k->plane(out, in, p.level, p.m, p.b, p.s, p.hi, &plane);
    } else {
        run_two(out, second, n, in, &plane);
        compare(k, 1, second, &plane, what);
    }
    compare(k, 0, out, &plane, what);
    for (size_t i = 0; channels && i < n; i++) {
        CHECK(i % channels == 0 || out[i] == 0x5a, "%s wrote to channel %lu",
              k->name, (unsigned long)(i % channels));
    }
    guard_free(second, k->name);
    guard_free(out, k->name);
    guard_free(in, "hb_zip");
    free(map);
}

// A requantizer that maps about the sums there are onto the activations; of a
// pooled map, one that never falls.
static void draw_requantizer(const struct kernel *k, size_t c)
{
    int32_t size = 0;
    for (size_t i = 0; i < 9; i++) {
        size += abs(p.level[9 * c + i]);
    }
    p.m[c] = (int16_t)random_in(1, size * 127 < 65536 ? 16000 : 7000);
    p.s[c] = (uint8_t)random_in(10, 24);
    p.b[c] = random_in(-200000000, 200000000);
    if (k->pool == 1 && random_in(0, 3) == 0) {
        p.m[c] = (int16_t)-p.m[c];
    }
    if (random_in(0, 15) == 0) {
        p.m[c] = 0;
    }
    p.hi = (int8_t)(random_in(0, 3) ? 127 : 15);
}

static void draw_map(int percent, int lo)
{
    for (size_t i = 0; i < MAX_SIDE * MAX_SIDE; i++) {
        p.map[i / MAX_SIDE][i % MAX_SIDE] =
            (int8_t)(random_in(0, 99) < percent ? random_in(lo, 127) : 0);
    }
}

static void of_size(const struct kernel *k, size_t height, size_t width)
{
    p.height = height;
    p.width = width;
    for (int trial = 0; trial < 12; trial++) {
        const int32_t largest = trial % 3 == 2 ? 128 : 57; // 9 * 57 <= 516
        for (size_t i = 0; i < 18; i++) {
            p.level[i] = (int16_t)random_in(-largest, largest);
        }
        draw_requantizer(k, 0);
        draw_requantizer(k, 1);
        draw_map(trial * 9, 0);
        equals_the_naive_one(k, 0, "drawn");
        if (height % 2 == 0 && k->plane) {
            equals_the_naive_one(k, 3, "drawn");
        }
    }
}

// All weights of one sign on pixels of 127 here and 0 there, so that a half of
// a word holds the least and the most that it can: `size` is the sum of |w|.
static void at_the_bound(const struct kernel *k, int32_t size, int32_t sign,
                         size_t turn)
{
    for (size_t c = 0; c < 2; c++) {
        int32_t left = c == turn % 2 ? size : size / 2;
        for (size_t i = 0; i < 9; i++) {
            const int32_t w = left > 128 ? 128 : left;
            const int32_t side = sign ? sign : i % 2 ? 1 : -1;
            p.level[9 * c + (i + turn) % 9] = (int16_t)(side * w);
            left -= w;
        }
    }
    p.height = 8;
    p.width = 8;
    p.hi = 127;
    for (int trial = 0; trial < 4; trial++) {
        for (size_t c = 0; c < 2; c++) {
            const int32_t most = (c == turn % 2 ? size : size / 2) * 127;
            p.m[c] = (int16_t)(trial % 2 ? 1 : 7);
            p.s[c] = (uint8_t)(trial % 2 ? 0 : 13);
            p.b[c] = sign > 0 ? -p.m[c] * (most - 60) : p.m[c] * 60;
            p.b[c] = trial < 2 ? p.b[c] : -p.b[c] / 2;
        }
        for (size_t i = 0; i < MAX_SIDE * MAX_SIDE; i++) {
            p.map[i / MAX_SIDE][i % MAX_SIDE] =
                (int8_t)(i % MAX_SIDE < 4 || trial == 3 ? 127 : 0);
        }
        equals_the_naive_one(k, 0, "at the bound");
        draw_map(90, 120);
        equals_the_naive_one(k, k->plane ? 2 : 0, "near the bound");
    }
}

static void test_kernel(const struct kernel *k)
{
    for (size_t height = 3; height <= MAX_SIDE; height++) {
        for (size_t width = 4; width <= MAX_SIDE; width += 3 - k->pool) {
            of_size(k, height, width);
        }
    }
    static const int32_t sizes[] = {0,   1,   127, 257, 258, 259,  515,
                                    516, 517, 518, 600, 900, 1151, 1152};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t turn = 0; turn < 9; turn++) {
            at_the_bound(k, sizes[i], 1, turn);
            at_the_bound(k, sizes[i], -1, turn);
            at_the_bound(k, sizes[i], 0, turn);
        }
    }
}

unsigned long test_planes(const char *name)
{
    unsigned long tested = 0;
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
        if (name == NULL || strcmp(name, kernels[k].name) == 0) {
            test_kernel(&kernels[k]);
            tested++;
        }
    }
    return tested;
}
