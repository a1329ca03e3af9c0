// The plane kernel: the same activations as a naive convolution, requantizer
// and pooling, at every size, and for sums at the bound of half a word.
// SPDX-License-Identifier: Apache-2.0

#include "test_planes.h"

#include "check.h"
#include "hb_mul.h"
#include "naive.h"

#include <stdlib.h>
#include <string.h>

struct kernel {
    const char *name;
    uint8_t pool; // 1: the largest of every 2 x 2 pixels
};

static const struct kernel kernels[] = {
    {"hb_plane_mul", 0},
    {"hb_plane_mul, pooled", 1},
};

enum { MAX_SIDE = 18 };

static struct {
    size_t height, width; // of the input, 3 or more
    int8_t map[MAX_SIDE][MAX_SIDE];
    int16_t level[9];
    int16_t m;
    int32_t b;
    uint8_t s;
    int8_t hi;
} p;

static int32_t random_in(int32_t lo, int32_t hi)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return lo + (int32_t)((state >> 8) % (uint32_t)(hi - lo + 1));
}

static int64_t naive_pixel(size_t y, size_t x)
{
    int64_t sum = 0;
    for (size_t k = 0; k < 9; k++) {
        sum += (int64_t)p.level[k] * p.map[y + k / 3][x + k % 3];
    }
    return naive_clamp(naive_floor_shift(sum * p.m + p.b, p.s), 0, p.hi);
}

static int64_t naive_most(const struct kernel *k, size_t y, size_t x)
{
    const size_t side = k->pool ? 2 : 1;
    int64_t most = 0;
    for (size_t i = 0; i < side * side; i++) {
        const int64_t v = naive_pixel(y * side + i / side, x * side + i % side);
        most = v > most ? v : most;
    }
    return most;
}

static void compare(const struct kernel *k, const uint32_t *out, size_t height,
                    size_t width, const char *what)
{
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++) {
            const uint32_t both = out[y / 2 * width + x];
            const int64_t got = y % 2 ? both >> 16 : both & 0xffff;
            const int64_t want = naive_most(k, y, x);
            CHECK(got == want, "%s, %s, %lux%lu: (%lu, %lu) is %d not %d",
                  k->name, what, (unsigned long)p.height,
                  (unsigned long)p.width, (unsigned long)y, (unsigned long)x,
                  (int)got, (int)want);
        }
    }
}

// What a span says, row by row.
static void check_spans(const uint8_t *span, const hb_plane *plane)
{
    for (size_t i = 0; i < plane->n_strips; i++) {
        size_t first = SIZE_MAX, end = 0;
        for (size_t y = 0; y < p.height; y++) {
            for (size_t x = 2 * i; x < 2 * i + 4; x++) {
                if (p.map[y][x]) {
                    first = y / 2 < first ? y / 2 : first;
                    end = y / 2 + 1;
                }
            }
        }
        first = end ? first : (size_t)plane->n_pairs + 1;
        end = end ? end : first;
        CHECK(span[2 * i] == first && span[2 * i + 1] == end - first,
              "hb_spans, strip %lu: %d and %d, not %lu and %lu",
              (unsigned long)i, span[2 * i], span[2 * i + 1],
              (unsigned long)first, (unsigned long)(end - first));
    }
}

static void equals_the_naive_one(const struct kernel *k, const char *what)
{
    const size_t side = k->pool ? 2 : 1;
    const size_t height = (p.height - 2) / side, width = (p.width - 2) / side;
    const hb_plane plane = {
        .n_strips = (uint16_t)((p.width - 2) / 2),
        .n_pairs = (uint16_t)(k->pool ? height : (height + 1) / 2),
        .in_width = (uint16_t)p.width,
        .out_width = (uint16_t)width,
        .pool = k->pool,
    };
    const size_t n_in = (p.height + 1) / 2 * p.width;
    const size_t n_out = (height + 1) / 2 * width;
    int8_t *const map = allocate(p.height * p.width);
    for (size_t y = 0; y < p.height; y++) {
        memcpy(map + y * p.width, p.map[y], p.width);
    }
    uint32_t *const in = guard_new(4 * n_in, 0x7f);
    uint32_t *const out = guard_new(4 * n_out, 0x5a);
    hb_zip(in, map, 1, p.width, p.height);
    hb_plane_mul(out, in, NULL, p.level, &p.m, &p.b, &p.s, p.hi, &plane);
    compare(k, out, height, width, what);
    if (plane.n_pairs > 0) {
        uint8_t *const span = guard_new(2 * (size_t)plane.n_strips, 0x5a);
        hb_spans(span, in, &plane);
        if (!k->pool) {
            check_spans(span, &plane);
        }
        memset(out, 0x3c, 4 * n_out);
        hb_plane_mul(out, in, span, p.level, &p.m, &p.b, &p.s, p.hi, &plane);
        compare(k, out, height, width, "with spans");
        guard_free(span, "hb_spans");
    }
    guard_free(out, k->name);
    guard_free(in, "hb_zip");
    free(map);
}

// A requantizer that maps about the sums there are onto the activations; of a
// pooled map, one that never falls.
static void draw_requantizer(const struct kernel *k)
{
    int32_t size = 0;
    for (size_t i = 0; i < 9; i++) {
        size += abs(p.level[i]);
    }
    p.m = (int16_t)random_in(1, size * 127 < 65536 ? 16000 : 7000);
    p.s = (uint8_t)random_in(10, 24);
    p.b = random_in(-200000000, 200000000);
    if (random_in(0, 1)) {
        p.b /= 1000; // so that a sum of 0 is activation 0
    }
    if (!k->pool && random_in(0, 3) == 0) {
        p.m = (int16_t)-p.m;
    }
    if (random_in(0, 15) == 0) {
        p.m = 0;
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

// Blank rows and columns around what there is.
static void draw_blob(void)
{
    const int32_t top = random_in(0, 12), left = random_in(0, 12);
    for (int32_t y = 0; y < MAX_SIDE; y++) {
        for (int32_t x = 0; x < MAX_SIDE; x++) {
            if (y < top || y > top + 4 || x < left || x > left + 4) {
                p.map[y][x] = 0;
            }
        }
    }
}

static void of_size(const struct kernel *k, size_t height, size_t width)
{
    p.height = height;
    p.width = width;
    for (int trial = 0; trial < 24; trial++) {
        static const int32_t largest[] = {57, 86, 128}; // 9 * 57, 6 * 86 <= 516
        const int32_t most = largest[trial % 3];
        for (size_t i = 0; i < 9; i++) {
            p.level[i] = (int16_t)random_in(-most, most);
        }
        draw_requantizer(k);
        draw_map(trial % 12 * 9, 0);
        if (trial > 12) {
            draw_blob();
        }
        equals_the_naive_one(k, "drawn");
    }
}

// Pixels of 127 here and 0 there, so that a half of a word holds the least and
// the most that it can.
static void at_the_bound(const struct kernel *k)
{
    int32_t plus = 0, minus = 0;
    for (size_t i = 0; i < 9; i++) {
        plus += p.level[i] > 0 ? p.level[i] : 0;
        minus += p.level[i] < 0 ? p.level[i] : 0;
    }
    p.height = 8;
    p.width = 8;
    p.hi = 127;
    for (int trial = 0; trial < 6; trial++) {
        p.m = (int16_t)(trial % 2 ? 1 : 7);
        p.s = (uint8_t)(trial % 2 ? 0 : 13);
        const int32_t end = 127 * (trial / 2 ? plus : minus);
        p.b = p.m * (60 - end);
        p.b = trial < 4 ? p.b : -p.b / 2;
        for (size_t i = 0; i < MAX_SIDE * MAX_SIDE; i++) {
            p.map[i / MAX_SIDE][i % MAX_SIDE] =
                (int8_t)(i % MAX_SIDE < 4 || trial == 3 ? 127 : 0);
        }
        equals_the_naive_one(k, "at the bound");
        draw_map(90, 120);
        equals_the_naive_one(k, "near the bound");
        // where a weight is above 0, and not where it is below, so that the
        // largest sum there can be is there, and the other way round
        for (size_t i = 0; i < MAX_SIDE * MAX_SIDE; i++) {
            const int16_t w = p.level[i / MAX_SIDE % 3 * 3 + i % MAX_SIDE % 3];
            p.map[i / MAX_SIDE][i % MAX_SIDE] =
                (int8_t)((trial / 2 ? w > 0 : w < 0) ? 127 : 0);
        }
        equals_the_naive_one(k, "at the very bound");
    }
}

// Weights of which |w| adds up to size, from weight `turn` on, of one sign or
// (0) of both.
static void of_sum(const struct kernel *k, int32_t size, int32_t sign,
                   size_t turn)
{
    for (size_t i = 0; i < 9; i++) {
        const int32_t w = size > 128 ? 128 : size;
        const int32_t side = sign ? sign : i % 2 ? 1 : -1;
        p.level[(i + turn) % 9] = (int16_t)(side * w);
        size -= w;
    }
    at_the_bound(k);
}

// Rows of weights, each with its sum of |w|.
static void of_rows(const struct kernel *k, const int32_t *sums, int32_t sign)
{
    for (size_t ky = 0; ky < 3; ky++) {
        int32_t left = sums[ky];
        for (size_t kx = 0; kx < 3; kx++) {
            const int32_t w = left / (int32_t)(3 - kx);
            const int32_t side = sign ? sign : kx % 2 ? 1 : -1;
            p.level[3 * ky + kx] = (int16_t)(side * w);
            left -= w;
        }
    }
    at_the_bound(k);
}

// Sums of 0 and 1, which a requantizer tells apart.
static void of_little(const struct kernel *k)
{
    p.height = 12;
    p.width = 12;
    for (int trial = 0; trial < 50; trial++) {
        for (size_t i = 0; i < 9; i++) {
            p.level[i] = (int16_t)random_in(-1, 1);
        }
        for (size_t i = 0; i < MAX_SIDE * MAX_SIDE; i++) {
            p.map[i / MAX_SIDE][i % MAX_SIDE] = (int8_t)random_in(0, 2);
        }
        p.m = 1;
        p.s = 0;
        p.b = trial % 3 - 1;
        p.hi = 127;
        equals_the_naive_one(k, "little");
    }
}

static void test_kernel(const struct kernel *k)
{
    of_little(k);
    for (size_t height = 3; height <= MAX_SIDE; height++) {
        for (size_t width = 4; width <= MAX_SIDE; width += 2 - k->pool) {
            of_size(k, height, width);
        }
    }
    static const int32_t sizes[] = {0,   1,   127, 257, 258, 259,  515,
                                    516, 517, 518, 600, 900, 1151, 1152};
    static const int32_t rows[][3] = {
        {258, 258, 258}, {258, 259, 100}, {100, 258, 259}, {384, 132, 384},
        {384, 133, 10},  {10, 133, 384},  {0, 384, 132},   {384, 384, 384},
    };
    for (int32_t sign = -1; sign <= 1; sign++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            for (size_t turn = 0; turn < 9; turn++) {
                of_sum(k, sizes[i], sign, turn);
            }
        }
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            of_rows(k, rows[i], sign);
        }
    }
}

unsigned long test_planes(const char *name)
{
    unsigned long tested = 0;
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
        if (name == NULL || strncmp(name, "hb_plane_", 9) == 0 ||
            strcmp(name, "hb_spans") == 0) {
            test_kernel(&kernels[k]);
            tested++;
        }
    }
    return tested;
}
