// hb_linear_ternary_avr: 5 trits in a byte, level = code - 1.
// SPDX-License-Identifier: Apache-2.0

#include "hb_level.h"
#include "hb_trits_avr.h"

#define HB_LINEAR hb_linear_ternary_avr
#define HB_ROWS(y, x, w, n_in, n_out) hb_linear_ternary(y, x, w, n_in, n_out)
#define STEP 1
#define OFFSET 1
#define BLOCK 10
#define BYTES 2
#define LIMIT HB_MOST
#define hb_block hb_trits
typedef uint16_t hb_sum;
#include "hb_linear_avr.h"
