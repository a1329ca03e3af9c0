// hb_conv_sym4: levels -15, -13, ..., +15.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_level.h"

#define HB_CONV hb_conv_sym4
#define HB_NEXT_LEVEL(codes) hb_level_sym4(hb_next_code(codes, 4, 2))
#include "hb_conv_body.h"
