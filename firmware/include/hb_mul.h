// Kernels for cores with a multiplier of 32 bits, SPEC 4.3.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_MUL_H
#define HB_MUL_H

#include "hb.h"

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

// The same of trits, 5 outputs of an input in a byte: w is what pack_trits
// made.
void hb_linear_ternary_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                           size_t n_in, size_t n_out);

#ifdef __cplusplus
}
#endif

#endif
