// The kernels again, from the equations of SPEC.md alone: slow, 64 bits.
// SPDX-License-Identifier: Apache-2.0

#include "naive.h"

#include "check.h"

#include <string.h>

struct format formats[N_FORMATS] = {
    {"binary",
     hb_linear_binary,
     hb_conv_binary,
     hb_levels_binary,
     1,
     2,
     {-1, 1}},
    {"ternary",
     hb_linear_ternary,
     hb_conv_ternary,
     hb_levels_ternary,
     0,
     3,
     {-1, 0, 1}},
    {"sym2",
     hb_linear_sym2,
     hb_conv_sym2,
     hb_levels_sym2,
     2,
     4,
     {-3, -1, 1, 3}},
    {"sym4",
     hb_linear_sym4,
     hb_conv_sym4,
     hb_levels_sym4,
     4,
     16,
     {-15, -13, -11, -9, -7, -5, -3, -1, 1, 3, 5, 7, 9, 11, 13, 15}},
    {"int4",
     hb_linear_int4,
     hb_conv_int4,
     hb_levels_int4,
     4,
     16,
     {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7}},
    {"shift4",
     hb_linear_shift4,
     hb_conv_shift4,
     hb_levels_shift4,
     4,
     16,
     {1, 2, 4, 8, 16, 32, 64, 128, -1, -2, -4, -8, -16, -32, -64, -128}},
    {"nf4",
     hb_linear_nf4,
     hb_conv_nf4,
     hb_levels_nf4,
     4,
     16,
     {-127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127}},
    {"sym5",
     hb_linear_sym5,
     hb_conv_sym5,
     hb_levels_sym5,
     5,
     32,
     {-31, -29, -27, -25, -23, -21, -19, -17, -15, -13, -11,
      -9,  -7,  -5,  -3,  -1,  1,   3,   5,   7,   9,   11,
      13,  15,  17,  19,  21,  23,  25,  27,  29,  31}},
    {"int8", hb_linear_int8, hb_conv_int8, hb_levels_int8, 8, 256, {0}},
};

void naive_begin(void)
{
    struct format *int8 = &formats[N_FORMATS - 1];
    for (int c = 0; c < 256; c++) {
        int8->level[c] = c < 128 ? c : c - 256;
    }
}

// ---- Rows -----------------------------------------------------------------

size_t naive_row_bytes(const struct format *f, size_t n)
{
    return f->bits == 0 ? (n + 4) / 5 : (n * (size_t)f->bits + 7) / 8;
}

static void pack_trits(uint8_t *row, const uint8_t *code, size_t n,
                       uint8_t padding)
{
    for (size_t i = 0; i < n; i += 5) {
        unsigned v = 0;
        for (size_t k = i; k < i + 5; k++) {
            v = 3 * v + (k < n ? code[k] : padding);
        }
        row[i / 5] = (uint8_t)((256 * v + 242) / 243);
    }
}

void naive_pack(uint8_t *row, const struct format *f, const uint8_t *code,
                size_t n, bool largest)
{
    if (f->bits == 0) {
        pack_trits(row, code, n, largest ? 2 : 0);
        return;
    }
    const size_t bits = (size_t)f->bits;
    const size_t n_bits = 8 * naive_row_bytes(f, n);
    memset(row, 0, n_bits / 8);
    for (size_t i = 0; i < n_bits; i++) {
        const bool one =
            i / bits < n ? (code[i / bits] >> (i % bits)) & 1 : largest;
        if (one) {
            row[i / 8] = (uint8_t)(row[i / 8] | 1 << i % 8);
        }
    }
}

// ---- Rounding -------------------------------------------------------------

int64_t naive_floor_shift(int64_t v, int s)
{
    const int64_t divisor = (int64_t)1 << s;
    return v / divisor - (v % divisor < 0);
}

int64_t naive_half(int s)
{
    return ((int64_t)1 << s) / 2;
}

int64_t naive_clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

int naive_maxshift_s(const int32_t *acc, int lo, int hi, size_t n)
{
    int64_t m = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t v = acc[i];
        if (v < 0) {
            v = lo == 0 ? 0 : -v;
        }
        m = v > m ? v : m;
    }
    int s = 0;
    while (naive_floor_shift(m, s) > hi) {
        s++;
    }
    return s;
}

// ---- Images ---------------------------------------------------------------

static size_t gcd(size_t a, size_t b)
{
    return b == 0 ? a : gcd(b, a % b);
}

size_t naive_area(size_t in_h, size_t in_w, size_t out_h, size_t out_w)
{
    return in_h / gcd(in_h, out_h) * (in_w / gcd(in_w, out_w));
}

uint8_t naive_resized_pixel(const uint8_t *x, size_t in_h, size_t in_w,
                            size_t out_h, size_t out_w, size_t oy, size_t ox)
{
    const size_t rows = in_h / gcd(in_h, out_h);
    const size_t cols = in_w / gcd(in_w, out_w);
    const size_t row_parts = out_h / gcd(in_h, out_h);
    const size_t col_parts = out_w / gcd(in_w, out_w);
    size_t sum = 0;
    for (size_t py = oy * rows; py < (oy + 1) * rows; py++) {
        for (size_t px = ox * cols; px < (ox + 1) * cols; px++) {
            sum += x[py / row_parts * in_w + px / col_parts];
        }
    }
    return (uint8_t)(sum / (rows * cols));
}

static bool is_exact(struct reciprocal r, uint32_t d)
{
    for (uint32_t v = 0; v <= 255 * d; v++) {
        if ((uint64_t)v * r.mul > UINT32_MAX ||
            (v * r.mul) >> r.shift != v / d) {
            return false;
        }
    }
    return true;
}

struct reciprocal naive_reciprocal(uint32_t d)
{
    for (uint8_t shift = 0; shift < 32; shift++) {
        const uint64_t mul = (((uint64_t)1 << shift) + d - 1) / d;
        const struct reciprocal r = {(uint32_t)mul, shift};
        if (is_exact(r, d)) {
            return r;
        }
    }
    CHECK(false, "no reciprocal of %lu", (unsigned long)d);
    return (struct reciprocal){0, 0};
}
