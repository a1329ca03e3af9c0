// hb_conv_binary: levels -1 and +1.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_level.h"

#define HB_CONV hb_conv_binary
#define HB_NEXT_LEVEL(codes) hb_level_binary(hb_next_code(codes, 1, 8))
#include "hb_conv_body.h"
