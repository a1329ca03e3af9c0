// hb_conv_<format>: every format, all shapes, row by row from rings.
// SPDX-License-Identifier: Apache-2.0

#include "check.h"
#include "naive.h"
#include "naive_map.h"
#include "test_kernels.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CODES = 7 * 7 * 16, MAX_SIZE = 7 };

// One output channel of a convolution of `channels` from `first` on.
struct problem {
    const struct format *f;
    struct window w;
    size_t first, channels;
    int8_t *map;
    uint8_t code[MAX_CODES];
};

static size_t n_codes(const struct problem *p)
{
    return p->w.size[0] * p->w.size[1] * p->channels;
}

static int64_t naive_sum(const struct problem *p, size_t oy, size_t ox)
{
    const struct window *w = &p->w;
    const uint8_t *code = p->code;
    int64_t sum = 0;
    for (size_t ky = 0; ky < w->size[0]; ky++) {
        for (size_t kx = 0; kx < w->size[1]; kx++) {
            const int64_t y =
                (int64_t)(oy * w->stride[0] + ky) - (int64_t)w->padding[0];
            const int64_t x =
                (int64_t)(ox * w->stride[1] + kx) - (int64_t)w->padding[1];
            for (size_t c = 0; c < p->channels; c++) {
                sum += (int64_t)p->f->level[*code++] *
                       naive_at(w, p->map, y, x, p->first + c, 0);
            }
        }
    }
    return sum;
}

// Runs all output rows, from a ring or the whole map, and compares.
static void equals_the_naive_one(const struct problem *p, int whole,
                                 bool padding, uint8_t poison)
{
    const struct window *w = &p->w;
    const size_t n_out = naive_out(w, 1);
    const hb_window window = naive_window(w, p->channels);
    const size_t n_bytes = naive_row_bytes(p->f, n_codes(p));
    uint8_t *codes = allocate(n_bytes);
    naive_pack(codes, p->f, p->code, n_codes(p), padding);
    struct ring ring = ring_begin(w, p->map, whole);
    for (size_t oy = 0; oy < naive_out(w, 0); oy++) {
        const int8_t *rows[MAX_SIZE];
        int32_t *acc = guard_new(n_out * sizeof *acc, poison);
        ring_rows(&ring, oy, rows);
        p->f->conv(acc, rows, codes, p->first, &window);
        for (size_t ox = 0; ox < n_out; ox++) {
            const int64_t want = naive_sum(p, oy, ox);
            CHECK(acc[ox] == want,
                  "%s %lux%lu kernel on %lux%lux%lu: (%lu, %lu) is %ld not %ld",
                  p->f->name, (unsigned long)w->size[0],
                  (unsigned long)w->size[1], (unsigned long)w->height,
                  (unsigned long)w->width, (unsigned long)w->channels,
                  (unsigned long)oy, (unsigned long)ox, (long)acc[ox],
                  (long)want);
        }
        guard_free(acc, p->f->name);
    }
    ring_end(&ring);
    free(codes);
}

// ---- Problems -------------------------------------------------------------

static uint8_t random_code(const struct format *f)
{
    const uint8_t code = (uint8_t)random_in(0, f->n_codes - 1);
    return f->n_codes == 256 && code == 128 ? 0 : code;
}

// Sizes at random, at least one output pixel each way.
static void random_axis(struct window *w, int axis)
{
    size_t *const n = axis == 0 ? &w->height : &w->width;
    *n = (size_t)random_in(1, 9);
    w->size[axis] = (size_t)random_in(1, MAX_SIZE);
    w->stride[axis] = (size_t)random_in(1, 4);
    w->padding[axis] = (size_t)(random_in(0, 1) ? random_in(0, MAX_SIZE)
                                                : (int64_t)w->size[axis] / 2);
    while (*n + 2 * w->padding[axis] < w->size[axis]) {
        w->size[axis]--;
    }
}

static void fill(struct problem *p, int smallest_x)
{
    const size_t n = p->w.height * p->w.width * p->w.channels;
    p->map = allocate(n);
    for (size_t i = 0; i < n; i++) {
        const int64_t x = random_in(smallest_x, 127);
        p->map[i] = (int8_t)(random_in(0, 1) ? x : -x);
    }
    for (size_t i = 0; i < n_codes(p); i++) {
        p->code[i] = random_code(p->f);
    }
}

static void random_shapes(const struct format *f)
{
    for (int trial = 0; trial < 150; trial++) {
        struct problem p = {.f = f};
        random_axis(&p.w, 0);
        random_axis(&p.w, 1);
        p.w.channels = (size_t)random_in(1, 16);
        p.channels = trial % 3 == 0
                         ? p.w.channels
                         : (size_t)random_in(1, (int64_t)p.w.channels);
        p.first = (size_t)random_in(0, (int64_t)(p.w.channels - p.channels));
        fill(&p, trial % 10 == 0 ? 127 : 0);
        equals_the_naive_one(&p, 1, false, 0x00);
        equals_the_naive_one(&p, 0, true, 0xff);
        free(p.map);
    }
}

// A series: its rows are time steps of one pixel.
static void a_series_is_a_map_of_width_1(const struct format *f)
{
    for (size_t channels = 1; channels <= 9; channels++) {
        struct problem p = {
            .f = f,
            .w = {40, 1, channels, {5, 1}, {2, 1}, {2, 0}},
            .channels = channels,
        };
        fill(&p, 0);
        equals_the_naive_one(&p, 1, false, 0x5a);
        equals_the_naive_one(&p, 0, false, 0x5a);
        free(p.map);
    }
}

// A kernel of 1x1 on one pixel is a linear layer of one output.
static void one_pixel_is_linear(const struct format *f)
{
    for (size_t channels = 1; channels <= 16; channels++) {
        struct problem p = {
            .f = f,
            .w = {1, 1, channels, {1, 1}, {1, 1}, {0, 0}},
            .channels = channels,
        };
        fill(&p, 100);
        uint8_t *codes = allocate(naive_row_bytes(f, channels));
        naive_pack(codes, f, p.code, channels, true);
        const hb_window window = naive_window(&p.w, channels);
        const int8_t *rows[] = {p.map};
        int32_t linear, conv;
        f->linear(&linear, p.map, codes, channels, 1);
        f->conv(&conv, rows, codes, 0, &window);
        CHECK(linear == conv, "%s: %ld, %ld", f->name, (long)linear,
              (long)conv);
        free(codes);
        free(p.map);
    }
}

// Every window of a map as a vector; words are copied where all of it is
// aligned, so both are tried.
static void patches_are_windows(void)
{
    for (int trial = 0; trial < 400; trial++) {
        struct problem p = {.f = &formats[0]};
        random_axis(&p.w, 0);
        random_axis(&p.w, 1);
        p.w.channels = (size_t)random_in(1, 3) * (trial % 2 == 0 ? 4 : 1);
        p.channels = p.w.channels;
        fill(&p, 0);
        const struct window *w = &p.w;
        const hb_window window = naive_window(w, p.channels);
        struct ring ring = ring_begin(w, p.map, trial % 3 == 0);
        for (size_t oy = 0; oy < naive_out(w, 0); oy++) {
            const int8_t *rows[MAX_SIZE];
            ring_rows(&ring, oy, rows);
            const int64_t y =
                (int64_t)(oy * w->stride[0]) - (int64_t)w->padding[0];
            for (size_t ox = 0; ox < naive_out(w, 1); ox++) {
                const int64_t x =
                    (int64_t)(ox * w->stride[1]) - (int64_t)w->padding[1];
                int8_t *patch = guard_new(n_codes(&p), 0x55);
                hb_patch(patch, rows, (int16_t)x, &window);
                for (size_t i = 0; i < n_codes(&p); i++) {
                    const size_t tap = i / w->channels;
                    const int want = naive_at(
                        w, p.map, y + (int64_t)(tap / w->size[1]),
                        x + (int64_t)(tap % w->size[1]), i % w->channels, 0);
                    CHECK(patch[i] == want,
                          "patch (%lu, %lu): %lu is %d not %d",
                          (unsigned long)oy, (unsigned long)ox,
                          (unsigned long)i, patch[i], want);
                }
                guard_free(patch, "hb_patch");
            }
        }
        ring_end(&ring);
        free(p.map);
    }
}

// A channel of a map as a plane, at every size.
static void planes_hold_rows_two_by_two(void)
{
    for (int trial = 0; trial < 100; trial++) {
        struct problem p = {.f = &formats[0]};
        p.w = (struct window){.height = (size_t)random_in(0, 7),
                              .width = (size_t)random_in(0, 7),
                              .channels = (size_t)random_in(1, 3)};
        fill(&p, 0);
        const struct window *w = &p.w;
        for (size_t i = 0; i < w->height * w->width * w->channels; i++) {
            p.map[i] &= 127;
        }
        const size_t height = (w->height + 1) / 2 * 2;
        const size_t c = (size_t)random_in(0, (int64_t)w->channels - 1);
        uint32_t *plane = guard_new(height / 2 * w->width * 4, 0x55);
        int8_t *back = allocate(w->height * w->width * 3);
        memset(back, 0x55, w->height * w->width * 3);
        hb_zip(plane, p.map + c, w->channels, w->width, w->height);
        hb_unzip(back + 1, plane, 3, w->width, w->height);
        for (size_t y = 0; y < height; y++) {
            for (size_t x = 0; x < w->width; x++) {
                const int want =
                    naive_at(w, p.map, (int64_t)y, (int64_t)x, c, 0);
                const uint32_t both = plane[y / 2 * w->width + x];
                const int found = (int)(y % 2 ? both >> 16 : both & 0xffff);
                CHECK(found == want, "zip (%lu, %lu): %d not %d",
                      (unsigned long)y, (unsigned long)x, found, want);
                const int8_t *const at =
                    back + (y < w->height ? y * w->width + x : 0) * 3;
                CHECK(y == w->height ||
                          (at[0] == 0x55 && at[1] == want && at[2] == 0x55),
                      "unzip (%lu, %lu): %d not %d", (unsigned long)y,
                      (unsigned long)x, at[1], want);
            }
        }
        guard_free(plane, "hb_zip");
        free(back);
        free(p.map);
    }
}

static void levels_are_those_of_the_codes(const struct format *f)
{
    for (size_t n = 0; n < 20; n++) {
        uint8_t code[20];
        for (size_t i = 0; i < n; i++) {
            code[i] = random_code(f);
        }
        uint8_t *w = allocate(naive_row_bytes(f, n));
        naive_pack(w, f, code, n, n % 2 == 0);
        int16_t *level = guard_new(n * sizeof *level, 0x5a);
        f->levels(level, w, n);
        for (size_t i = 0; i < n; i++) {
            CHECK(level[i] == f->level[code[i]], "%s: level %d not %d", f->name,
                  level[i], f->level[code[i]]);
        }
        guard_free(level, f->name);
        free(w);
    }
}

// The example of SPEC 7.
static void the_example_is_a_plane(void)
{
    static const int8_t map[] = {1, 2, 3, 4, 5, 6};
    static const uint32_t want[] = {0x30001, 0x40002, 5, 6};
    uint32_t plane[4];
    hb_zip(plane, map, 1, 2, 3);
    CHECK(memcmp(plane, want, sizeof plane) == 0, "the plane of SPEC 7");
}

void test_conv(void)
{
    the_example_is_a_plane();
    planes_hold_rows_two_by_two();
    patches_are_windows();
    for (size_t k = 0; k < N_FORMATS; k++) {
        random_shapes(&formats[k]);
        a_series_is_a_map_of_width_1(&formats[k]);
        one_pixel_is_linear(&formats[k]);
        levels_are_those_of_the_codes(&formats[k]);
    }
}
