// Kernels for cores without a multiplier.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_NOMUL_H
#define HB_NOMUL_H

#include "hb.h"

#ifdef __cplusplus
extern "C" {
#endif

// As hb_linear_<format>, of weights in columns, SPEC 4.3 and 4.4.
void hb_linear_ternary_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                             size_t n_in, size_t n_out);
void hb_linear_binary_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                            size_t n_in, size_t n_out);
void hb_linear_sym2_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                          size_t n_in, size_t n_out);
void hb_linear_sym4_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                          size_t n_in, size_t n_out);
void hb_linear_int4_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                          size_t n_in, size_t n_out);
void hb_linear_shift4_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                            size_t n_in, size_t n_out);
void hb_linear_nf4_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                         size_t n_in, size_t n_out);
void hb_linear_sym5_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                          size_t n_in, size_t n_out);
void hb_linear_int8_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                          size_t n_in, size_t n_out);

#ifdef __cplusplus
}
#endif

#endif
