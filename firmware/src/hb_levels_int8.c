// hb_levels_int8: a weight to a byte, levels -127, -126, ..., +127.
// SPDX-License-Identifier: Apache-2.0

#include "hb_level.h"
#include "hb_plane.h"

#define HB_LEVELS hb_levels_int8
#define HB_NEXT_LEVEL(codes) ((int8_t)*(codes)->next++)
#include "hb_levels_body.h"
