// Kernels for cores with a multiplier of 32 bits, SPEC 4.3.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_MUL_H
#define HB_MUL_H

#include "hb.h"
#include "hb_plane.h"

#ifdef __cplusplus
extern "C" {
#endif

// As hb_linear_<format>, of weights in columns: w is what pack_columns made.
void hb_linear_binary_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                          size_t n_in, size_t n_out);
void hb_linear_sym2_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                        size_t n_in, size_t n_out);
void hb_linear_sym4_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                        size_t n_in, size_t n_out);
void hb_linear_int4_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                        size_t n_in, size_t n_out);
void hb_linear_shift4_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                          size_t n_in, size_t n_out);
void hb_linear_nf4_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                       size_t n_in, size_t n_out);

// The same of 8 bits: w is what pack_columns made, in blocks of 4 outputs.
void hb_linear_int8_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                        size_t n_in, size_t n_out);

// The same of 4 bits and 1 bit apart: w is what pack_4_and_1 made.
void hb_linear_sym5_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                        size_t n_in, size_t n_out);

// The same of trits, 5 outputs of an input in a byte: w is what pack_trits
// made.
void hb_linear_ternary_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                           size_t n_in, size_t n_out);

// y = clamp((acc * *m + *b) >> *s) of the sums acc of a convolution of 3 x 3
// weights over one plane; where it is pooled, the largest of every 2 x 2 of
// them.
//
//   y      a plane of activations in [0, hi]; must not overlap x
//   x      a plane of activations in [0, 127]
//   span   as hb_spans makes it of x, or NULL; without effect where it is
//          pooled
//   level  9 weights, level[3 * ky + kx], each in [-128, 128]
//   m, b,  one each, as for hb_mulshift_channel; *m >= 0 where it is pooled
//   s
//
// A sum is at most 9 * 127 * 128 < 2^18. Where two share a word, hb_plane_mul.h
// proves that they fit.
void hb_plane_mul(uint32_t *y, const uint32_t *x, const uint8_t *span,
                  const int16_t *level, const HB_ROM int16_t *m,
                  const HB_ROM int32_t *b, const HB_ROM uint8_t *s, int8_t hi,
                  const HB_ROM hb_plane *plane);
// As hb_maxshift.
void hb_maxshift_mul(int8_t *y, const int32_t *acc, int8_t lo, int8_t hi,
                     size_t n);

#ifdef __cplusplus
}
#endif

#endif
