// All kernels of halfbyte: networks with weights of less than a byte, in C99.
// SPDX-License-Identifier: Apache-2.0
//
// SPEC.md says what every integer is; sections are cited as "SPEC 5.1".
// An activation is an int8_t in [-127, 127]. A sum is an int32_t. Sizes count
// elements, 0 included. Pointers to int32_t or int16_t are aligned for them.
// No kernel allocates, keeps state, divides, or uses floating point.

#ifndef HB_H
#define HB_H

#include <stddef.h>
#include <stdint.h>

#define HB_SPEC_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif

// HB_ROM qualifies constant tables and pointers to them. It is empty but on
// AVR, where program memory is an address space of its own. C++, which has no
// such spaces, may declare the kernels there and call what uses no table.
#if !defined(__AVR__) || defined(__cplusplus)
#define HB_ROM
#elif defined(__clang__)
#define HB_ROM __attribute__((address_space(1)))
#elif defined(__FLASH)
#define HB_ROM __flash
#else
#error "halfbyte on AVR needs the __flash address space: compile as gnu99"
#endif

// Every >> of a negative number below means floor(v / 2^s), SPEC 1.
typedef char
    hb_needs_an_arithmetic_right_shift[((int32_t)-1 >> 1) == -1 ? 1 : -1];

// ---- Input rules, SPEC 2 --------------------------------------------------

// y[oy][ox] = floor(sum / (rows * cols)), sum over the input pixels of the
// parts each shares with the output pixel times its value (SPEC 2.1), where
// rows = in_h / gcd(in_h, out_h) and cols = in_w / gcd(in_w, out_w).
//
//   y      out_h rows of out_w pixels; must not overlap x
//   x      in_h rows of in_w pixels; in_h, in_w >= 1
//   mul,   (sum * mul) >> shift equals the floor for every sum in
//   shift  [0, 255 * rows * cols], shift <= 31
//
// sum * mul < 2^32 by the choice of mul, so uint32 is exact.
void hb_resize_area(uint8_t *y, const uint8_t *x, size_t in_h, size_t in_w,
                    size_t out_h, size_t out_w, uint32_t mul, uint8_t shift);

// y[i] = clamp((x[i] + offset) >> shift), SPEC 2.2.
//
//   y       n activations in [lo, hi]; any y with (char *)y <= (char *)x, so
//           y == x too, or disjoint from x
//   x       n values, the whole range of their type
//   offset  the whole range of int16_t
//   shift   0 ... 15
//
// |x[i] + offset| <= 2^16, so int32 is exact.
void hb_input_shift_u8(int8_t *y, const uint8_t *x, int16_t offset,
                       uint8_t shift, int8_t lo, int8_t hi, size_t n);
void hb_input_shift_i8(int8_t *y, const int8_t *x, int16_t offset,
                       uint8_t shift, int8_t lo, int8_t hi, size_t n);
void hb_input_shift_i16(int8_t *y, const int16_t *x, int16_t offset,
                        uint8_t shift, int8_t lo, int8_t hi, size_t n);

// ---- Linear, SPEC 5.1 -----------------------------------------------------
//
// All of them: y[o] = sum over i of level(w[o][i]) * x[i], exact.
//
//   y  n_out sums; must not overlap x or w
//   x  n_in activations in [-127, 127]
//   w  n_out rows; the length of a row stands with each format. Bits and
//      trits past a row's last code do not change a result.
//
// Exact for every n_in up to the number that stands with each format, whatever
// the weights, because |y[o]| <= n_in * 127 * the largest |level| < 2^31. The
// exporter proves longer rows from their real weights (SPEC 6).

// Levels -1, +1. Row: ceil(n_in / 8) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127: n_in <= 16909320.
void hb_linear_binary(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                      size_t n_in, size_t n_out);

// Levels -1, 0, +1. Row: ceil(n_in / 5) bytes, SPEC 4.2.
// |y[o]| <= n_in * 127: n_in <= 16909320.
void hb_linear_ternary(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                       size_t n_in, size_t n_out);

// Levels -3, -1, +1, +3. Row: ceil(n_in / 4) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 3: n_in <= 5636440.
void hb_linear_sym2(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// Levels -15, -13, ..., +15. Row: ceil(n_in / 2) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 15: n_in <= 1127288.
void hb_linear_sym4(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// Levels -8, -7, ..., +7. Row: ceil(n_in / 2) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 8: n_in <= 2113665.
void hb_linear_int4(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// Levels +-1, +-2, +-4, ..., +-128. Row: ceil(n_in / 2) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 128: n_in <= 132104.
void hb_linear_shift4(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                      size_t n_in, size_t n_out);

// The 16 levels of SPEC 3, in [-127, 127]. Row: ceil(n_in / 2) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 127: n_in <= 133144.
void hb_linear_nf4(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                   size_t n_in, size_t n_out);

// Levels -31, -29, ..., +31. Row: ceil(n_in * 5 / 8) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 31: n_in <= 545461.
void hb_linear_sym5(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// Levels -127, -126, ..., +127. Row: n_in bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 127: n_in <= 133144.
void hb_linear_int8(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// ---- Requantizers, SPEC 5.2 to 5.4 ----------------------------------------
//
// All of them: any y with (char *)y <= (char *)acc, so y on the first bytes of
// acc too, or disjoint from acc. Output i is written to byte i after sum i was
// read from bytes 4i ... 4i + 3, and no later sum lies at or below byte i.

// y[i] = clamp(round_shift(acc[i], s)), s the smallest shift >= 0 with
// (m >> s) <= hi, m the largest max(acc, 0) where lo = 0, the largest |acc|
// where lo = -hi.
//
//   y       n activations in [lo, hi]
//   acc     n sums, the whole tensor, |acc[i]| + half(s) < 2^31
//   lo, hi  hi >= 1, lo = 0 or lo = -hi
//
// (m >> (s - 1)) > hi gives half(s) <= m / 2, so |acc[i]| <= 2^30 is enough
// for int32.
void hb_maxshift(int8_t *y, const int32_t *acc, int8_t lo, int8_t hi, size_t n);

// y[i] = clamp(round_shift(acc[i] + b[i], *s)).
//
//   y    n activations in [lo, hi]
//   acc  n sums
//   b    n biases, |acc[i] + b[i]| < 2^31 and acc[i] + b[i] + half(*s) < 2^31
//   s    one shift for the layer, 0 ... 31
void hb_shift(int8_t *y, const int32_t *acc, const HB_ROM int32_t *b,
              const HB_ROM uint8_t *s, int8_t lo, int8_t hi, size_t n);

// y[i] = clamp((acc[i] * m[i] + b[i]) >> s[i]).
//
//   y    n activations in [lo, hi]
//   acc  n sums
//   m    n multipliers, |acc[i] * m[i]| < 2^31
//   b    n biases, half(s[i]) inside, |acc[i] * m[i] + b[i]| < 2^31
//   s    n shifts, each 0 ... 31
void hb_mulshift(int8_t *y, const int32_t *acc, const HB_ROM int16_t *m,
                 const HB_ROM int32_t *b, const HB_ROM uint8_t *s, int8_t lo,
                 int8_t hi, size_t n);

// ---- Scores, SPEC 5.5 and 5.6 ---------------------------------------------

// y[i] = acc[i] + b[i].
//
//   y    n sums; y == acc, or disjoint from acc
//   acc  n sums
//   b    n biases, |acc[i] + b[i]| < 2^31
void hb_add_bias(int32_t *y, const int32_t *acc, const HB_ROM int32_t *b,
                 size_t n);

// The lowest i with y[i] the largest of n scores; 0 for n = 0.
size_t hb_argmax(const int32_t *y, size_t n);

#ifdef __cplusplus
}
#endif

#endif
