// hb_conv_int8: a weight to a byte, levels -127, -126, ..., +127.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_level.h"

#define HB_CONV hb_conv_int8
#define HB_NEXT_LEVEL(codes) ((int8_t)*(codes)->next++)
#include "hb_conv_body.h"
