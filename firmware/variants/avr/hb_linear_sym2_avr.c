// hb_linear_sym2_avr: codes of 2 bits, level = 2 * code - 3.
// SPDX-License-Identifier: Apache-2.0

#include "hb_pairs_avr.h"

#define HB_LINEAR hb_linear_sym2_avr
#define HB_ROWS(y, x, w, n_in, n_out) hb_linear_sym2(y, x, w, n_in, n_out)
#define STEP 2
#define OFFSET 3
#define BLOCK 8
#define BYTES 2
#define LIMIT HB_MOST
#define hb_block hb_pairs
typedef uint16_t hb_sum;
#include "hb_linear_avr.h"
