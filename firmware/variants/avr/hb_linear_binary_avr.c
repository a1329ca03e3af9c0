// hb_linear_binary_avr: codes of 1 bit, level = 2 * code - 1.
// SPDX-License-Identifier: Apache-2.0

#define AHEAD 0
#include "hb_bits_avr.h"

#define HB_LINEAR hb_linear_binary_avr
#define HB_ROWS(y, x, w, n_in, n_out) hb_linear_binary(y, x, w, n_in, n_out)
#define STEP 2
#define OFFSET 1
#define BLOCK 8
#define BYTES 1
#define LIMIT HB_MOST
#define hb_block hb_bits
typedef uint16_t hb_sum;
#include "hb_linear_avr.h"
