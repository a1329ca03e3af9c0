// hb_linear_sym2_mul: codes of 2 bits, level = 2 * code - 3.
// SPDX-License-Identifier: Apache-2.0

#include "hb_mul.h"

#define HB_LINEAR hb_linear_sym2_mul
#define BITS 2
#define STEP 2
#define OFFSET 3
#include "hb_columns_mul.h"
