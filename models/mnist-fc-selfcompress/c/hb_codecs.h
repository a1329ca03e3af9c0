// Kernels of coded weights, SPEC 4.6 and on: the sums of hb_linear_<format>,
// of whatever format, from a stream that holds its own levels.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_CODECS_H
#define HB_CODECS_H

#include "hb.h"

#ifdef __cplusplus
extern "C" {
#endif

// y[o] = sum over i of w[o][i] * x[i], exact.
//
//   y  n_out sums; must not overlap x
//   x  n_in activations, each in [-127, 127]
//   w  the stream of n_out rows and n_in columns, levels in [-128, 128]
//
// A product is at most 127 * 128: it fits an int16_t. The sums do as SPEC 6 has
// it. What a kernel unpacks at a time is a few words on the stack.

// Huffman codes in columns, SPEC 4.7.
void hb_linear_huffman(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                       size_t n_in, size_t n_out);

// A mask of what is not 0 and codes for that, in columns, SPEC 4.8.
void hb_linear_bitmask(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                       size_t n_in, size_t n_out);

// A byte for what is not 0, with how many zeros are in front of it, SPEC 4.9.
void hb_linear_runs(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// How many zeros are in front of what is not 0, in Rice codes, SPEC 4.11.
void hb_linear_rice(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// As many bits for a weight as its output has, and a shift, SPEC 4.10.
void hb_linear_widths(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                      size_t n_in, size_t n_out);

// Digits of any base in words of 16 bits, SPEC 4.12.
void hb_linear_radix(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                     size_t n_in, size_t n_out);

#ifdef __cplusplus
}
#endif

#endif
