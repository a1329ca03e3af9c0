// hb_linear_sym4_mul: codes of 4 bits, level = 2 * code - 15.
// SPDX-License-Identifier: Apache-2.0

#include "hb_mul.h"

#define HB_LINEAR hb_linear_sym4_mul
#define BITS 4
#define STEP 2
#define OFFSET 15
#include "hb_columns_mul.h"
