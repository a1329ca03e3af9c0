// Runs every vector block of a text file (SPEC 1) through the kernels.
// SPDX-License-Identifier: Apache-2.0
//
//     test_vectors FILE MIN       fails with fewer than MIN vectors in FILE

#include "check.h"
#include "hb.h"
#include "hb_codecs.h"
#include "vector_file.h"
#include "vector_maps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void linear_fn(int32_t *, const int8_t *, const HB_ROM uint8_t *,
                       size_t, size_t);

void expect(const struct vector *v, const char *key, size_t i, int64_t got)
{
    const int64_t want = vector_at(v, key, i);
    CHECK(got == want, "%s:%d: %s: %s[%lu] is %ld, expected %ld", v->file,
          v->line, v->op, key, (unsigned long)i, (long)got, (long)want);
}

void expect_i32(const struct vector *v, int32_t *y, size_t n)
{
    vector_need(v, "y", n);
    for (size_t i = 0; i < n; i++) {
        expect(v, "y", i, y[i]);
    }
    guard_free(y, v->op);
}

void expect_i8(const struct vector *v, int8_t *y, size_t n)
{
    vector_need(v, "y", n);
    for (size_t i = 0; i < n; i++) {
        expect(v, "y", i, y[i]);
    }
    guard_free(y, v->op);
}

// ---- One function per operation -------------------------------------------

// The weights are read one by one, each through the input that is 1 there and
// 0 elsewhere, and then all at once.
static void run_weights(const struct vector *v, linear_fn *linear,
                        size_t n_bytes)
{
    const size_t n_in = (size_t)vector_int(v, "n_in", 0, 65535);
    const size_t n_out = (size_t)vector_int(v, "n_out", 0, 65535);
    uint8_t *w = vector_bytes(v, "w", n_bytes);
    int8_t *x = vector_i8(v, "x", n_in);
    int8_t *hot = guard_new(n_in, 0);
    int32_t *y = guard_new(n_out * sizeof *y, 0xa5);
    vector_need(v, "levels", n_in * n_out);
    for (size_t i = 0; i < n_in; i++) {
        hot[i] = 1;
        linear(y, hot, w, n_in, n_out);
        hot[i] = 0;
        for (size_t o = 0; o < n_out; o++) {
            expect(v, "levels", o * n_in + i, y[o]);
        }
    }
    linear(y, x, w, n_in, n_out);
    expect_i32(v, y, n_out);
    guard_free(hot, v->op);
    free(x);
    free(w);
}

static void run_linear(const struct vector *v, linear_fn *linear,
                       size_t codes_in_group, size_t bytes_in_group)
{
    const size_t n_in = (size_t)vector_int(v, "n_in", 0, 65535);
    const size_t n_out = (size_t)vector_int(v, "n_out", 0, 65535);
    const size_t row =
        (n_in * bytes_in_group + codes_in_group - 1) / codes_in_group;
    run_weights(v, linear, n_out * row);
}

static void run_resize_area(const struct vector *v)
{
    const size_t in_h = (size_t)vector_int(v, "in_h", 1, 65535);
    const size_t in_w = (size_t)vector_int(v, "in_w", 1, 65535);
    const size_t out_h = (size_t)vector_int(v, "out_h", 1, 65535);
    const size_t out_w = (size_t)vector_int(v, "out_w", 1, 65535);
    const uint32_t mul = (uint32_t)vector_int(v, "mul", 0, UINT32_MAX);
    const uint8_t shift = (uint8_t)vector_int(v, "shift", 0, 31);
    uint8_t *x = vector_bytes(v, "x", in_h * in_w);
    uint8_t *y = guard_new(out_h * out_w, 0xa5);
    vector_need(v, "y", out_h * out_w);
    hb_resize_area(y, x, in_h, in_w, out_h, out_w, mul, shift);
    for (size_t i = 0; i < out_h * out_w; i++) {
        expect(v, "y", i, y[i]);
    }
    guard_free(y, v->op);
    free(x);
}

static void run_input_shift(const struct vector *v)
{
    const int16_t offset =
        (int16_t)vector_int(v, "offset", INT16_MIN, INT16_MAX);
    const uint8_t shift = (uint8_t)vector_int(v, "shift", 0, 15);
    const int8_t lo = (int8_t)vector_int(v, "lo", -127, 127);
    const int8_t hi = (int8_t)vector_int(v, "hi", -127, 127);
    const size_t n = vector_count(v, "x");
    int8_t *y = guard_new(n, 0xa5);
    void *x;
    if (strcmp(v->op, "input_shift_u8") == 0) {
        x = vector_bytes(v, "x", n);
        hb_input_shift_u8(y, x, offset, shift, lo, hi, n);
    } else if (strcmp(v->op, "input_shift_i8") == 0) {
        x = vector_i8(v, "x", n);
        hb_input_shift_i8(y, x, offset, shift, lo, hi, n);
    } else {
        x = vector_i16(v, "x", n);
        hb_input_shift_i16(y, x, offset, shift, lo, hi, n);
    }
    free(x);
    expect_i8(v, y, n);
}

static void run_requantizer(const struct vector *v)
{
    const int8_t lo = (int8_t)vector_int(v, "lo", -127, 0);
    const int8_t hi = (int8_t)vector_int(v, "hi", 1, 127);
    const size_t n = vector_count(v, "acc");
    int32_t *acc = vector_i32(v, "acc", n);
    int8_t *y = guard_new(n, 0xa5);
    if (strcmp(v->op, "maxshift") == 0) {
        hb_maxshift(y, acc, lo, hi, n);
    } else if (strcmp(v->op, "shift") == 0) {
        int32_t *b = vector_i32(v, "b", n);
        const uint8_t s = (uint8_t)vector_int(v, "s", 0, 31);
        hb_shift(y, acc, b, &s, lo, hi, n);
        free(b);
    } else {
        int16_t *m = vector_i16(v, "m", n);
        int32_t *b = vector_i32(v, "b", n);
        uint8_t *s = vector_bytes(v, "s", n);
        hb_mulshift(y, acc, m, b, s, lo, hi, n);
        free(s);
        free(b);
        free(m);
    }
    free(acc);
    expect_i8(v, y, n);
}

static void run_add_bias(const struct vector *v)
{
    const size_t n = vector_count(v, "acc");
    int32_t *acc = vector_i32(v, "acc", n);
    int32_t *b = vector_i32(v, "b", n);
    int32_t *y = guard_new(n * sizeof *y, 0xa5);
    hb_add_bias(y, acc, b, n);
    free(b);
    free(acc);
    expect_i32(v, y, n);
}

static void run_argmax(const struct vector *v)
{
    const size_t n = vector_count(v, "y");
    int32_t *y = vector_i32(v, "y", n);
    vector_need(v, "index", 1);
    expect(v, "index", 0, (int64_t)hb_argmax(y, n));
    free(y);
}

// ---- Which operation ------------------------------------------------------

static const struct {
    const char *name;
    linear_fn *linear;
    conv_fn *conv;
    size_t codes_in_group, bytes_in_group;
} formats[] = {
    {"binary", hb_linear_binary, hb_conv_binary, 8, 1},
    {"ternary", hb_linear_ternary, hb_conv_ternary, 5, 1},
    {"sym2", hb_linear_sym2, hb_conv_sym2, 4, 1},
    {"sym4", hb_linear_sym4, hb_conv_sym4, 2, 1},
    {"int4", hb_linear_int4, hb_conv_int4, 2, 1},
    {"shift4", hb_linear_shift4, hb_conv_shift4, 2, 1},
    {"nf4", hb_linear_nf4, hb_conv_nf4, 2, 1},
    {"sym5", hb_linear_sym5, hb_conv_sym5, 8, 5},
    {"int8", hb_linear_int8, hb_conv_int8, 1, 1},
};

static const struct {
    const char *name;
    linear_fn *linear;
} codecs[] = {
    {"huffman", hb_linear_huffman}, {"bitmask", hb_linear_bitmask},
    {"runs", hb_linear_runs},       {"rice", hb_linear_rice},
    {"radix", hb_linear_radix},     {"widths", hb_linear_widths},
};

static const struct {
    const char *op;
    void (*run)(const struct vector *);
} others[] = {
    {"resize_area", run_resize_area},
    {"input_shift_u8", run_input_shift},
    {"input_shift_i8", run_input_shift},
    {"input_shift_i16", run_input_shift},
    {"maxshift", run_requantizer},
    {"shift", run_requantizer},
    {"mulshift", run_requantizer},
    {"add_bias", run_add_bias},
    {"argmax", run_argmax},
    {"input_planes_u8", run_input_planes},
    {"input_planes_i8", run_input_planes},
    {"input_planes_i16", run_input_planes},
    {"maxpool", run_pool},
    {"avgpool", run_pool},
    {"global_average", run_global_average},
    {"add", run_add},
    {"concat", run_concat},
    {"lookup", run_lookup},
    {"clip", run_clip},
    {"rmsnorm", run_rmsnorm},
    {"layernorm", run_layernorm},
};

// Is the operation this kind with that format?
static bool is(const struct vector *v, const char *kind, const char *format)
{
    const size_t n = strlen(kind);
    return strncmp(v->op, kind, n) == 0 && strcmp(v->op + n, format) == 0;
}

static void run_vector(const struct vector *v)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const size_t codes = formats[i].codes_in_group;
        const size_t bytes = formats[i].bytes_in_group;
        if (is(v, "linear_", formats[i].name)) {
            run_linear(v, formats[i].linear, codes, bytes);
            return;
        }
        if (is(v, "conv_", formats[i].name)) {
            run_conv(v, formats[i].conv, codes, bytes);
            return;
        }
    }
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        if (is(v, "codec_", codecs[i].name)) {
            run_weights(v, codecs[i].linear, vector_count(v, "w"));
            return;
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(v->op, others[i].op) == 0) {
            others[i].run(v);
            return;
        }
    }
    vector_refuse(v, "unknown op", v->op);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: test_vectors FILE MIN\n");
        return EXIT_FAILURE;
    }
    const size_t min = (size_t)strtoul(argv[2], NULL, 10);
    const size_t count = vector_file_run(argv[1], run_vector);
    CHECK(count >= min, "%s has %lu vectors, expected at least %lu", argv[1],
          (unsigned long)count, (unsigned long)min);
    return check_report("vectors", count);
}
