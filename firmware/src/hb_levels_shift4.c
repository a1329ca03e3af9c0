// hb_levels_shift4: levels +-1, +-2, ..., +-128.
// SPDX-License-Identifier: Apache-2.0

#include "hb_level.h"
#include "hb_plane.h"

#define HB_LEVELS hb_levels_shift4
#define HB_NEXT_LEVEL(codes) hb_level_shift4(hb_next_code(codes, 4, 2))
#include "hb_levels_body.h"
