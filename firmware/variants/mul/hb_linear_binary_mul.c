// hb_linear_binary_mul: codes of 1 bit, level = 2 * code - 1.
// SPDX-License-Identifier: Apache-2.0

#include "hb_mul.h"

#define HB_LINEAR hb_linear_binary_mul
#define BITS 1
#define STEP 2
#define OFFSET 1
#include "hb_columns_mul.h"
