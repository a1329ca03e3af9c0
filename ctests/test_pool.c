// hb_maxpool, hb_avgpool, hb_sum_row and hb_average, these two with and
// without a multiplier; hb_row and hb_rows.
// SPDX-License-Identifier: Apache-2.0

#include "check.h"
#include "naive.h"
#include "naive_map.h"
#include "test_kernels.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SIZE = 9 };

// ---- Rings ----------------------------------------------------------------

static void rows_follow_each_other_in_a_ring(uint16_t ring)
{
    int8_t map[1];
    for (uint32_t y = 0; y <= 65535; y += y < 300 ? 1 : 331) {
        const size_t want = y % ring * 5;
        const int8_t *row = hb_row(map, 5, ring, (uint16_t)y);
        CHECK((size_t)(row - map) == want, "%u modulo %u", y, ring);
    }
}

static void rows_outside_the_map_are_null(void)
{
    static const int16_t heights[] = {1, 2, 7, 300, 32767};
    int8_t map[8];
    for (size_t k = 0; k < sizeof heights / sizeof *heights; k++) {
        for (int32_t first = -9; first <= heights[k] + 2;
             first += first < 20 ? 1 : 13) {
            const int8_t *rows[12] = {NULL};
            rows[11] = map;
            const int16_t from = (int16_t)(first < 32767 ? first : 32767);
            hb_rows(rows, map, 1, 4, from, 11, (uint16_t)heights[k]);
            CHECK(rows[11] == map, "hb_rows wrote behind its output");
            for (int32_t y = from; y < from + 11; y++) {
                const bool inside = y >= 0 && y < heights[k];
                CHECK(rows[y - from] == (inside ? map + y % 4 : NULL),
                      "row %ld of %d", (long)y, heights[k]);
            }
        }
    }
}

// ---- Pooling --------------------------------------------------------------

static int8_t naive_max(const struct window *w, const int8_t *map, size_t oy,
                        size_t ox, size_t c)
{
    int max = -1000;
    for (size_t k = 0; k < w->size[0] * w->size[1]; k++) {
        const int64_t y = (int64_t)(oy * w->stride[0] + k / w->size[1]);
        const int64_t x = (int64_t)(ox * w->stride[1] + k % w->size[1]);
        const int v = naive_at(w, map, y - (int64_t)w->padding[0],
                               x - (int64_t)w->padding[1], c, -1000);
        max = v > max ? v : max;
    }
    return (int8_t)max;
}

// floor(sum / area + 1 / 2)
static int8_t naive_mean(int64_t sum, int64_t area)
{
    const int64_t v = 2 * sum + area;
    return (int8_t)(v / (2 * area) - (v % (2 * area) < 0));
}

static int8_t naive_average(const struct window *w, const int8_t *map,
                            size_t oy, size_t ox, size_t c)
{
    int64_t sum = 0;
    const size_t area = w->size[0] * w->size[1];
    for (size_t k = 0; k < area; k++) {
        const int64_t y = (int64_t)(oy * w->stride[0] + k / w->size[1]);
        const int64_t x = (int64_t)(ox * w->stride[1] + k % w->size[1]);
        sum += naive_at(w, map, y - (int64_t)w->padding[0],
                        x - (int64_t)w->padding[1], c, 0);
    }
    return naive_mean(sum, (int64_t)area);
}

struct mean {
    int32_t offset;
    uint32_t mul;
    uint8_t shift;
    int8_t base;
};

static struct mean mean_of(size_t area, int8_t base)
{
    const struct reciprocal r = naive_reciprocal((uint32_t)area);
    const int32_t offset = (int32_t)area / 2 + base * (int32_t)area;
    return (struct mean){offset, r.mul, r.shift, base};
}

static void expect_row(const int8_t *y, const struct window *w,
                       const int8_t *map, size_t oy, bool average)
{
    for (size_t i = 0; i < naive_out(w, 1) * w->channels; i++) {
        const size_t ox = i / w->channels, c = i % w->channels;
        const int8_t want = average ? naive_average(w, map, oy, ox, c)
                                    : naive_max(w, map, oy, ox, c);
        CHECK(y[i] == want, "%s: (%lu, %lu, %lu) is %d not %d",
              average ? "avgpool" : "maxpool", (unsigned long)oy,
              (unsigned long)ox, (unsigned long)c, y[i], want);
    }
}

static void pools_equal_the_naive_ones(const struct window *w,
                                       const int8_t *map, int8_t base,
                                       int whole)
{
    const size_t n_out = naive_out(w, 1) * w->channels;
    const size_t area = w->size[0] * w->size[1];
    const struct mean m = mean_of(area, base);
    const hb_window window = naive_window(w, w->channels);
    struct ring ring = ring_begin(w, map, whole);
    for (size_t oy = 0; oy < naive_out(w, 0); oy++) {
        const int8_t *rows[MAX_SIZE];
        int8_t *max = guard_new(n_out, 0x7f);
        int8_t *average = guard_new(n_out, 0x7f);
        int8_t *divided = guard_new(n_out, 0x7f);
        ring_rows(&ring, oy, rows);
        hb_maxpool(max, rows, &window);
        hb_avgpool(average, rows, &window, m.offset, m.mul, m.shift, m.base);
        hb_avgpool_divide(divided, rows, &window, m.offset, (uint32_t)area,
                          m.base);
        expect_row(max, w, map, oy, false);
        expect_row(average, w, map, oy, true);
        expect_row(divided, w, map, oy, true);
        guard_free(divided, "avgpool_divide");
        guard_free(average, "avgpool");
        guard_free(max, "maxpool");
    }
    ring_end(&ring);
}

// Padding below the size of the window, so that each sees a pixel of the map.
static struct window random_window(void)
{
    struct window w = {.channels = (size_t)random_in(1, 5)};
    for (int axis = 0; axis < 2; axis++) {
        size_t *const n = axis == 0 ? &w.height : &w.width;
        *n = (size_t)random_in(1, 12);
        w.size[axis] = (size_t)random_in(1, MAX_SIZE);
        w.stride[axis] = (size_t)random_in(1, 5);
        w.padding[axis] = (size_t)random_in(0, (int64_t)w.size[axis] / 2);
        while (*n + 2 * w.padding[axis] < w.size[axis]) {
            *n += 1;
        }
    }
    return w;
}

static int8_t *random_map(size_t n, int lo, int hi)
{
    int8_t *map = allocate(n);
    for (size_t i = 0; i < n; i++) {
        const int64_t end = random_in(0, 1) ? lo : hi;
        map[i] = (int8_t)(random_in(0, 3) ? random_in(lo, hi) : end);
    }
    return map;
}

static void test_pooling(void)
{
    for (int trial = 0; trial < 500; trial++) {
        const struct window w = random_window();
        const int lo = trial % 2 ? -127 : 0;
        const int hi = trial % 5 ? 127 : lo;
        int8_t *map = random_map(w.height * w.width * w.channels, lo, hi);
        pools_equal_the_naive_ones(&w, map, lo < 0 ? 127 : 0, trial % 3);
        free(map);
    }
}

// ---- Means over the whole map ---------------------------------------------

static void means_equal_the_naive_ones(size_t height, size_t width,
                                       size_t channels, int lo)
{
    const size_t n = height * width * channels;
    int8_t *map = random_map(n, lo, 127);
    int32_t *acc = guard_new(channels * sizeof *acc, 0);
    for (size_t y = 0; y < height; y++) {
        int8_t *row = copy_of(map + y * width * channels, width * channels);
        hb_sum_row(acc, row, width, channels);
        free(row);
    }
    const struct mean m = mean_of(height * width, lo < 0 ? 127 : 0);
    int8_t *y = guard_new(channels, 0x7f);
    hb_average(y, acc, m.offset, m.mul, m.shift, m.base, channels);
    int8_t *divided = guard_new(channels, 0x7f);
    hb_average_divide(divided, acc, m.offset, (uint32_t)(height * width),
                      m.base, channels);
    int8_t *over = (int8_t *)acc;
    int64_t *sums = allocate(channels * sizeof *sums);
    for (size_t c = 0; c < channels; c++) {
        sums[c] = acc[c];
    }
    hb_average(over, acc, m.offset, m.mul, m.shift, m.base, channels);
    for (size_t c = 0; c < channels; c++) {
        int64_t sum = 0;
        for (size_t i = c; i < n; i += channels) {
            sum += map[i];
        }
        const int8_t want = naive_mean(sum, (int64_t)(height * width));
        CHECK(sums[c] == sum, "the sum is %ld", (long)sums[c]);
        CHECK(y[c] == want, "%d not %d, sum %ld", y[c], want, (long)sum);
        CHECK(divided[c] == want, "divided: %d not %d", divided[c], want);
        CHECK(over[c] == want, "in place: %d not %d", over[c], want);
    }
    free(sums);
    guard_free(divided, "average_divide");
    guard_free(y, "average");
    guard_free(acc, "sum_row");
    free(map);
}

// Every sum of an area: half is rounded up, on both sides of 0.
static void every_mean_is_rounded_half_up(size_t area, int8_t base)
{
    const struct mean m = mean_of(area, base);
    const int32_t end = 127 * (int32_t)area;
    for (int32_t sum = base == 0 ? 0 : -end; sum <= end; sum++) {
        int8_t y;
        hb_average(&y, &sum, m.offset, m.mul, m.shift, m.base, 1);
        CHECK(y == naive_mean(sum, (int64_t)area), "%ld / %lu is %d", (long)sum,
              (unsigned long)area, y);
    }
}

// Every mean of a large area: the sums where it begins, and its own. The first
// of them lie below every sum there can be.
static void every_step_of_a_large_mean_is_right(int32_t area, int8_t base)
{
    const int32_t offset = area / 2 + base * area;
    for (int32_t mean = -base; mean <= 127; mean++) {
        const int32_t begin = mean * area - area / 2;
        const int32_t acc[] = {begin - 1, begin, begin + 1, mean * area};
        int8_t y[4];
        hb_average_divide(y, acc, offset, (uint32_t)area, base, 4);
        for (size_t i = 0; i < 4; i++) {
            CHECK(acc[i] < -base * area || y[i] == naive_mean(acc[i], area),
                  "%ld / %ld is %d", (long)acc[i], (long)area, y[i]);
        }
    }
}

void test_pool(void)
{
    for (uint16_t ring = 1; ring < 30; ring++) {
        rows_follow_each_other_in_a_ring(ring);
    }
    rows_follow_each_other_in_a_ring(32768);
    rows_follow_each_other_in_a_ring(65535);
    rows_outside_the_map_are_null();
    test_pooling();
    for (int trial = 0; trial < 60; trial++) {
        means_equal_the_naive_ones(
            (size_t)random_in(1, 10), (size_t)random_in(1, 10),
            (size_t)random_in(1, 9), trial % 2 ? 0 : -127);
    }
    for (size_t area = 1; area < 20; area++) {
        every_mean_is_rounded_half_up(area, 0);
        every_mean_is_rounded_half_up(area, 127);
    }
    static const int32_t large[] = {1,     49,      255,     267,    361,
                                    784,   2047,    32767,   65025,  65537,
                                    99991, 1 << 20, 4999999, 8438049};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        every_step_of_a_large_mean_is_right(large[i], 0);
        every_step_of_a_large_mean_is_right(large[i], 127);
    }
    every_step_of_a_large_mean_is_right(16843009, 0);
}
