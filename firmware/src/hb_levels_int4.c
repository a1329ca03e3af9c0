// hb_levels_int4: levels -8, -7, ..., +7.
// SPDX-License-Identifier: Apache-2.0

#include "hb_level.h"
#include "hb_plane.h"

#define HB_LEVELS hb_levels_int4
#define HB_NEXT_LEVEL(codes) hb_level_int4(hb_next_code(codes, 4, 2))
#include "hb_levels_body.h"
