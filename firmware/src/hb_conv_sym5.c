// hb_conv_sym5: levels -31, -29, ..., +31.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_level.h"

#define HB_CONV hb_conv_sym5
#define HB_NEXT_LEVEL(codes) hb_level_sym5(hb_next_code_of_5_bits(codes))
#include "hb_conv_body.h"
