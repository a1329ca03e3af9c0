// hb_conv_ternary: levels -1, 0 and +1.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_level.h"

#define HB_CONV hb_conv_ternary
#define HB_NEXT_LEVEL(codes) hb_level_ternary(hb_next_ternary_code(codes))
#include "hb_conv_body.h"
