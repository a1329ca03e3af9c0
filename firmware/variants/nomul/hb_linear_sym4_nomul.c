// hb_linear_sym4_nomul: codes of 4 bits, level = 2 * code - 15.
// SPDX-License-Identifier: Apache-2.0

#include "hb_nomul.h"

#define HB_LINEAR hb_linear_sym4_nomul
#define STEP 2
#define OFFSET 15
#include "hb_planes_nomul.h"
