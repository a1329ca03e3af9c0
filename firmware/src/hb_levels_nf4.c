// hb_levels_nf4: levels from a table.
// SPDX-License-Identifier: Apache-2.0

#include "hb_level.h"
#include "hb_plane.h"

#define HB_LEVELS hb_levels_nf4
#define HB_NEXT_LEVEL(codes) hb_level_nf4(hb_next_code(codes, 4, 2))
#include "hb_levels_body.h"
