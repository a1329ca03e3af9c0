// The operations on maps, for test_vectors: SPEC 2.3 and 5.7 to 5.14.
// SPDX-License-Identifier: Apache-2.0

#include "vector_maps.h"

#include "check.h"
#include "naive_map.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SIZE = 32, MAX_SIDE = 1000 };

// ---- Windows --------------------------------------------------------------

static size_t at(const struct vector *v, const char *key, size_t n, size_t i,
                 int64_t lo, int64_t hi)
{
    vector_need(v, key, n);
    const int64_t value = vector_at(v, key, i);
    if (value < lo || value > hi) {
        vector_refuse(v, "value out of range", key);
    }
    return (size_t)value;
}

static struct window window_of(const struct vector *v)
{
    struct window w = {
        .height = at(v, "in_shape", 3, 0, 1, MAX_SIDE),
        .width = at(v, "in_shape", 3, 1, 1, MAX_SIDE),
        .channels = at(v, "in_shape", 3, 2, 1, MAX_SIDE),
    };
    for (size_t axis = 0; axis < 2; axis++) {
        w.size[axis] = at(v, "size", 2, axis, 1, MAX_SIZE);
        w.stride[axis] = at(v, "stride", 2, axis, 1, MAX_SIZE);
        w.padding[axis] = at(v, "padding", 2, axis, 0, MAX_SIZE);
    }
    return w;
}

static size_t map_size(const struct window *w)
{
    return w->height * w->width * w->channels;
}

// A convolution whose weights are packed.
struct conv {
    const struct window *w;
    conv_fn *fn;
    const uint8_t *codes; // n_out rows of row_bytes
    size_t n_out, groups, row_bytes;
};

// acc[(oy * out_w + ox) * n_out + o], from a ring or from the whole map.
static void convolve(int32_t *y, const struct conv *c, const int8_t *x,
                     int whole)
{
    const struct window *w = c->w;
    const size_t out_w = naive_out(w, 1), channels = w->channels / c->groups;
    const hb_window window = naive_window(w, channels);
    struct ring ring = ring_begin(w, x, whole);
    for (size_t oy = 0; oy < naive_out(w, 0); oy++) {
        const int8_t *rows[MAX_SIZE];
        ring_rows(&ring, oy, rows);
        for (size_t o = 0; o < c->n_out; o++) {
            int32_t *acc = guard_new(out_w * sizeof *acc, 0xa5);
            const size_t group = o / (c->n_out / c->groups);
            c->fn(acc, rows, c->codes + o * c->row_bytes, group * channels,
                  &window);
            for (size_t ox = 0; ox < out_w; ox++) {
                y[(oy * out_w + ox) * c->n_out + o] = acc[ox];
            }
            guard_free(acc, "conv");
        }
    }
    ring_end(&ring);
}

// The levels are read one by one, each where it meets a single 1.
static void expect_levels(const struct vector *v, const struct conv *c)
{
    const size_t channels = c->w->channels / c->groups;
    const size_t n = c->w->size[0] * c->w->size[1] * channels;
    const struct window one = {c->w->size[0],  c->w->size[1],
                               c->w->channels, {c->w->size[0], c->w->size[1]},
                               {1, 1},         {0, 0}};
    const struct conv on_one = {&one,     c->fn,     c->codes,
                                c->n_out, c->groups, c->row_bytes};
    int8_t *hot = guard_new(map_size(&one), 0);
    int32_t *y = allocate(c->n_out * sizeof *y);
    vector_need(v, "levels", c->n_out * n);
    for (size_t i = 0; i < c->n_out * n; i++) {
        const size_t o = i / n, tap = i % n / channels;
        const size_t group = o / (c->n_out / c->groups);
        const size_t k = tap * one.channels + group * channels + i % channels;
        hot[k] = 1;
        convolve(y, &on_one, hot, 1);
        hot[k] = 0;
        expect(v, "levels", i, y[o]);
    }
    free(y);
    guard_free(hot, v->op);
}

void run_conv(const struct vector *v, conv_fn *fn, size_t codes_in_group,
              size_t bytes_in_group)
{
    const struct window w = window_of(v);
    const size_t n_out = (size_t)vector_int(v, "n_out", 1, MAX_SIDE);
    const size_t groups = (size_t)vector_int(v, "groups", 1, MAX_SIDE);
    const size_t n_codes = w.size[0] * w.size[1] * (w.channels / groups);
    const size_t row_bytes =
        (n_codes * bytes_in_group + codes_in_group - 1) / codes_in_group;
    uint8_t *codes = vector_bytes(v, "w", n_out * row_bytes);
    int8_t *x = vector_i8(v, "x", map_size(&w));
    const struct conv c = {&w, fn, codes, n_out, groups, row_bytes};
    const size_t n = naive_out(&w, 0) * naive_out(&w, 1) * n_out;
    expect_levels(v, &c);
    for (int whole = 0; whole < 2; whole++) {
        int32_t *y = guard_new(n * sizeof *y, 0xa5);
        convolve(y, &c, x, whole);
        expect_i32(v, y, n);
    }
    free(x);
    free(codes);
}

struct mean {
    int32_t offset;
    uint32_t mul;
    uint8_t shift;
    int8_t base;
};

static struct mean mean_of(const struct vector *v)
{
    return (struct mean){
        .offset = (int32_t)vector_int(v, "offset", 0, INT32_MAX),
        .mul = (uint32_t)vector_int(v, "mul", 0, UINT32_MAX),
        .shift = (uint8_t)vector_int(v, "shift", 0, 31),
        .base = (int8_t)vector_int(v, "base", 0, 127),
    };
}

// With the kernel that divides wherever there is no multiplier.
static void average_row(const struct vector *v, int8_t *y,
                        const int8_t *const *rows, const hb_window *window)
{
    const struct mean m = mean_of(v);
    if (m.mul > 0) {
        hb_avgpool(y, rows, window, m.offset, m.mul, m.shift, m.base);
    } else {
        const uint32_t area = (uint32_t)window->kernel_h * window->kernel_w;
        hb_avgpool_divide(y, rows, window, m.offset, area, m.base);
    }
}

void run_pool(const struct vector *v)
{
    const struct window w = window_of(v);
    const hb_window window = naive_window(&w, w.channels);
    const size_t row = naive_out(&w, 1) * w.channels;
    const size_t n = naive_out(&w, 0) * row;
    int8_t *x = vector_i8(v, "x", map_size(&w));
    for (int whole = 0; whole < 2; whole++) {
        int8_t *y = guard_new(n, 0xa5);
        struct ring ring = ring_begin(&w, x, whole);
        for (size_t oy = 0; oy < naive_out(&w, 0); oy++) {
            const int8_t *rows[MAX_SIZE];
            ring_rows(&ring, oy, rows);
            if (strcmp(v->op, "maxpool") == 0) {
                hb_maxpool(y + oy * row, rows, &window);
            } else {
                average_row(v, y + oy * row, rows, &window);
            }
        }
        ring_end(&ring);
        expect_i8(v, y, n);
    }
    free(x);
}

void run_global_average(const struct vector *v)
{
    const size_t height = at(v, "in_shape", 3, 0, 1, MAX_SIDE);
    const size_t width = at(v, "in_shape", 3, 1, 1, MAX_SIDE);
    const size_t channels = at(v, "in_shape", 3, 2, 1, MAX_SIDE);
    const struct mean m = mean_of(v);
    int8_t *x = vector_i8(v, "x", height * width * channels);
    int32_t *acc = guard_new(channels * sizeof *acc, 0);
    int8_t *y = guard_new(channels, 0xa5);
    for (size_t row = 0; row < height; row++) {
        hb_sum_row(acc, x + row * width * channels, width, channels);
    }
    if (m.mul > 0) {
        hb_average(y, acc, m.offset, m.mul, m.shift, m.base, channels);
    } else {
        hb_average_divide(y, acc, m.offset, (uint32_t)(height * width), m.base,
                          channels);
    }
    expect_i8(v, y, channels);
    guard_free(acc, v->op);
    free(x);
}

// ---- Joining and activations ----------------------------------------------

static int8_t range_end(const struct vector *v, const char *key)
{
    return (int8_t)vector_int(v, key, -127, 127);
}

void run_add(const struct vector *v)
{
    const size_t n = vector_count(v, "a");
    int8_t *a = vector_i8(v, "a", n), *b = vector_i8(v, "b", n);
    int16_t *m = vector_i16(v, "m", 2);
    int8_t *y = guard_new(n, 0xa5);
    hb_add(y, a, b, m, (uint8_t)vector_int(v, "s", 0, 31), range_end(v, "lo"),
           range_end(v, "hi"), n);
    free(m);
    free(b);
    free(a);
    expect_i8(v, y, n);
}

// x holds the inputs one after the other.
void run_concat(const struct vector *v)
{
    const size_t n_inputs = vector_count(v, "channels");
    const size_t n_pixels = (size_t)vector_int(v, "n_pixels", 0, MAX_SIDE);
    const uint8_t s = (uint8_t)vector_int(v, "s", 0, 31);
    int16_t *m = vector_i16(v, "m", n_inputs);
    size_t step = 0;
    for (size_t i = 0; i < n_inputs; i++) {
        step += at(v, "channels", n_inputs, i, 1, MAX_SIDE);
    }
    const size_t n = n_pixels * step;
    int8_t *x = vector_i8(v, "x", n), *y = guard_new(n, 0xa5);
    const int8_t *input = x;
    for (size_t i = 0, first = 0; i < n_inputs; i++) {
        const size_t channels = at(v, "channels", n_inputs, i, 1, MAX_SIDE);
        hb_concat(y + first, step, input, m[i], s, range_end(v, "lo"),
                  range_end(v, "hi"), n_pixels, channels);
        input += n_pixels * channels;
        first += channels;
    }
    free(x);
    free(m);
    expect_i8(v, y, n);
}

void run_lookup(const struct vector *v)
{
    const size_t n = vector_count(v, "x");
    int8_t *table = vector_i8(v, "table", vector_count(v, "table"));
    int8_t *x = vector_i8(v, "x", n), *y = guard_new(n, 0xa5);
    hb_lookup(y, x, table, range_end(v, "lo"), n);
    free(x);
    free(table);
    expect_i8(v, y, n);
}

void run_clip(const struct vector *v)
{
    const size_t n = vector_count(v, "x");
    int8_t *x = vector_i8(v, "x", n), *y = guard_new(n, 0xa5);
    hb_clip(y, x, range_end(v, "lo"), range_end(v, "hi"), n);
    free(x);
    expect_i8(v, y, n);
}

typedef void norm_fn(int8_t *, const int8_t *, int32_t, uint8_t, int8_t, int8_t,
                     size_t);

static void run_norm(const struct vector *v, norm_fn *norm)
{
    const size_t n = vector_count(v, "x");
    int8_t *x = vector_i8(v, "x", n), *y = guard_new(n, 0xa5);
    const int32_t c = (int32_t)vector_int(v, "c", 0, INT32_C(1) << 30);
    const uint8_t s = (uint8_t)vector_int(v, "s", 0, 30);
    norm(y, x, c, s, range_end(v, "lo"), range_end(v, "hi"), n);
    free(x);
    expect_i8(v, y, n);
}

void run_rmsnorm(const struct vector *v)
{
    run_norm(v, hb_rmsnorm);
}

void run_layernorm(const struct vector *v)
{
    run_norm(v, hb_layernorm);
}

void run_input_planes(const struct vector *v)
{
    const int16_t offset =
        (int16_t)vector_int(v, "offset", INT16_MIN, INT16_MAX);
    const uint8_t shift = (uint8_t)vector_int(v, "shift", 0, 15);
    const int8_t lo = range_end(v, "lo"), hi = range_end(v, "hi");
    const size_t n_pixels = (size_t)vector_int(v, "n_pixels", 0, MAX_SIDE);
    const size_t channels = (size_t)vector_int(v, "channels", 1, MAX_SIDE);
    const size_t n = n_pixels * channels;
    int8_t *y = guard_new(n, 0xa5);
    void *x;
    if (strcmp(v->op, "input_planes_u8") == 0) {
        x = vector_bytes(v, "x", n);
        hb_input_planes_u8(y, x, offset, shift, lo, hi, n_pixels, channels);
    } else if (strcmp(v->op, "input_planes_i8") == 0) {
        x = vector_i8(v, "x", n);
        hb_input_planes_i8(y, x, offset, shift, lo, hi, n_pixels, channels);
    } else {
        x = vector_i16(v, "x", n);
        hb_input_planes_i16(y, x, offset, shift, lo, hi, n_pixels, channels);
    }
    free(x);
    expect_i8(v, y, n);
}
