// hb_linear_shift4_mul: codes of 4 bits, levels +-1, +-2, ..., +-128.
// SPDX-License-Identifier: Apache-2.0

#include "hb_mul.h"

#define HB_LINEAR hb_linear_shift4_mul
#define HB_LEVELS                                                              \
    1, 2, 4, 8, 16, 32, 64, 128, -1, -2, -4, -8, -16, -32, -64, -128
#include "hb_levels_mul.h"
