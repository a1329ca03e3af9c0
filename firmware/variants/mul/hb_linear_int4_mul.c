// hb_linear_int4_mul: codes of 4 bits, level = 1 * code - 8.
// SPDX-License-Identifier: Apache-2.0

#include "hb_mul.h"

#define HB_LINEAR hb_linear_int4_mul
#define BITS 4
#define STEP 1
#define OFFSET 8
#include "hb_columns_mul.h"
