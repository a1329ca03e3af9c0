// hb_levels_ternary: levels -1, 0 and +1.
// SPDX-License-Identifier: Apache-2.0

#include "hb_level.h"
#include "hb_plane.h"

#define HB_LEVELS hb_levels_ternary
#define HB_NEXT_LEVEL(codes) hb_level_ternary(hb_next_ternary_code(codes))
#include "hb_levels_body.h"
