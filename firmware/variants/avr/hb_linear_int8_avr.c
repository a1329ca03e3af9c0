// hb_linear_int8_avr: a weight to a byte, level = code - 128.
// SPDX-License-Identifier: Apache-2.0

#include "hb_bytes_avr.h"

#define HB_LINEAR hb_linear_int8_avr
#define HB_ROWS(y, x, w, n_in, n_out) hb_linear_int8(y, x, w, n_in, n_out)
#define STEP 1
#define OFFSET 128
#define BLOCK 4
#define BYTES 4
#define LIMIT HB_MOST
#define hb_block hb_bytes
typedef uint32_t hb_sum;
#include "hb_linear_avr.h"
