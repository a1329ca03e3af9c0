// hb_linear_int4_avr: codes of 4 bits, level = 1 * code - 8.
// SPDX-License-Identifier: Apache-2.0

#define HB_LINEAR hb_linear_int4_avr
#define HB_ROWS(y, x, w, n_in, n_out) hb_linear_int4(y, x, w, n_in, n_out)
#define STEP 1
#define OFFSET 8
#include "hb_linear_nibbles_avr.h"
