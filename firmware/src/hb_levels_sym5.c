// hb_levels_sym5: levels -31, -29, ..., +31.
// SPDX-License-Identifier: Apache-2.0

#include "hb_level.h"
#include "hb_plane.h"

#define HB_LEVELS hb_levels_sym5
#define HB_NEXT_LEVEL(codes) hb_level_sym5(hb_next_code_of_5_bits(codes))
#include "hb_levels_body.h"
