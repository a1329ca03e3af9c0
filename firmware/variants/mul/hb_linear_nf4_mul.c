// hb_linear_nf4_mul: codes of 4 bits, the 16 levels of SPEC 3.
// SPDX-License-Identifier: Apache-2.0

#include "hb_mul.h"

#define HB_LINEAR hb_linear_nf4_mul
#define HB_LEVELS                                                              \
    -127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127
#include "hb_levels_mul.h"
