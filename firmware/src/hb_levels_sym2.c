// hb_levels_sym2: levels -3, -1, +1 and +3.
// SPDX-License-Identifier: Apache-2.0

#include "hb_level.h"
#include "hb_plane.h"

#define HB_LEVELS hb_levels_sym2
#define HB_NEXT_LEVEL(codes) hb_level_sym2(hb_next_code(codes, 2, 4))
#include "hb_levels_body.h"
