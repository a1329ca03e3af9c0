// Kernels for 8-bit AVR with a hardware multiplier, SPEC 4.5.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_AVR_H
#define HB_AVR_H

#include "hb.h"

#ifdef __cplusplus
extern "C" {
#endif

// As hb_linear_<format>, of weights in columns: w is what pack_blocks made.
void hb_linear_binary_avr(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                          size_t n_in, size_t n_out);
void hb_linear_ternary_avr(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                           size_t n_in, size_t n_out);
void hb_linear_sym2_avr(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                        size_t n_in, size_t n_out);
void hb_linear_sym4_avr(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                        size_t n_in, size_t n_out);
void hb_linear_int4_avr(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                        size_t n_in, size_t n_out);
void hb_linear_shift4_avr(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                          size_t n_in, size_t n_out);
void hb_linear_nf4_avr(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                       size_t n_in, size_t n_out);
void hb_linear_sym5_avr(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                        size_t n_in, size_t n_out);
void hb_linear_int8_avr(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                        size_t n_in, size_t n_out);

// As hb_conv_<format>, of the same weights.
void hb_conv_int8_avr(int32_t *acc, const int8_t *const *rows,
                      const HB_ROM uint8_t *w, size_t first,
                      const HB_ROM hb_window *window);

// As hb_maxshift, hb_mulshift and hb_mulshift_channel.
void hb_maxshift_avr(int8_t *y, const int32_t *acc, int8_t lo, int8_t hi,
                     size_t n);
void hb_mulshift_avr(int8_t *y, const int32_t *acc, const HB_ROM int16_t *m,
                     const HB_ROM int32_t *b, const HB_ROM uint8_t *s,
                     int8_t lo, int8_t hi, size_t n);
void hb_mulshift_channel_avr(int8_t *y, size_t step, const int32_t *acc,
                             const HB_ROM int16_t *m, const HB_ROM int32_t *b,
                             const HB_ROM uint8_t *s, int8_t lo, int8_t hi,
                             size_t n);

// As hb_maxpool.
void hb_maxpool_avr(int8_t *y, const int8_t *const *rows,
                    const HB_ROM hb_window *window);

#ifdef __cplusplus
}
#endif

#endif
