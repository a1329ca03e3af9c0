// hb_linear_sym4_avr: codes of 4 bits, level = 2 * code - 15.
// SPDX-License-Identifier: Apache-2.0

#define HB_LINEAR hb_linear_sym4_avr
#define HB_ROWS(y, x, w, n_in, n_out) hb_linear_sym4(y, x, w, n_in, n_out)
#define STEP 2
#define OFFSET 15
#include "hb_linear_nibbles_avr.h"
