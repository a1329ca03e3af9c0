// The kernels again, from the equations of SPEC.md alone: slow, 64 bits.
// SPDX-License-Identifier: Apache-2.0

#ifndef NAIVE_H
#define NAIVE_H

#include "hb.h"
#include "hb_plane.h"

#include <stdbool.h>

typedef void linear_fn(int32_t *, const int8_t *, const HB_ROM uint8_t *,
                       size_t, size_t);
typedef void conv_fn(int32_t *, const int8_t *const *, const HB_ROM uint8_t *,
                     size_t, const HB_ROM hb_window *);
typedef void levels_fn(int16_t *, const HB_ROM uint8_t *, size_t);

struct format {
    const char *name;
    linear_fn *linear;
    conv_fn *conv;
    levels_fn *levels;
    int bits; // 0: five trits in a byte
    int n_codes;
    int level[256]; // of every code
};

enum { N_FORMATS = 9 };
extern struct format formats[N_FORMATS];

// Fills in the levels of int8. To be called once, first.
void naive_begin(void);

// Bytes of a row of n codes.
size_t naive_row_bytes(const struct format *f, size_t n);

// Packs n codes into a row, bit by bit. What lies past the last code is 0, or
// the largest there is.
void naive_pack(uint8_t *row, const struct format *f, const uint8_t *code,
                size_t n, bool largest);

// floor(v / 2^s), by division.
int64_t naive_floor_shift(int64_t v, int s);
int64_t naive_half(int s);
int64_t naive_clamp(int64_t v, int64_t lo, int64_t hi);

// The shift that maxshift chooses.
int naive_maxshift_s(const int32_t *acc, int lo, int hi, size_t n);

// One output pixel of resize_area, part by part.
uint8_t naive_resized_pixel(const uint8_t *x, size_t in_h, size_t in_w,
                            size_t out_h, size_t out_w, size_t oy, size_t ox);

// rows * cols of resize_area.
size_t naive_area(size_t in_h, size_t in_w, size_t out_h, size_t out_w);

// (v * mul) >> shift is floor(v / d) for v = 0 ... 255 * d, and v * mul < 2^32;
// the smallest shift, as SPEC 2.1 has it.
struct reciprocal {
    uint32_t mul;
    uint8_t shift;
};
struct reciprocal naive_reciprocal(uint32_t d);

#endif
