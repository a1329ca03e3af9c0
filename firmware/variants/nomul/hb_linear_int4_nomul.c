// hb_linear_int4_nomul: codes of 4 bits, level = 1 * code - 8.
// SPDX-License-Identifier: Apache-2.0

#include "hb_nomul.h"

#define HB_LINEAR hb_linear_int4_nomul
#define STEP 1
#define OFFSET 8
#include "hb_planes_nomul.h"
