// hb_levels_binary: levels -1 and +1.
// SPDX-License-Identifier: Apache-2.0

#include "hb_level.h"
#include "hb_plane.h"

#define HB_LEVELS hb_levels_binary
#define HB_NEXT_LEVEL(codes) hb_level_binary(hb_next_code(codes, 1, 8))
#include "hb_levels_body.h"
