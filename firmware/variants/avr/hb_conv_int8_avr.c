// hb_conv_int8_avr: a weight to a byte, levels -127, -126, ..., +127.
// SPDX-License-Identifier: Apache-2.0

#include "hb_avr.h"

#define HB_CONV hb_conv_int8_avr
#define HB_PORTABLE(acc, rows, w, first, window)                               \
    hb_conv_int8(acc, rows, w, first, window)
#define HB_NEXT_LEVEL(codes) ((int8_t)*(codes)->next++)
#include "hb_conv3x3_avr.h"
