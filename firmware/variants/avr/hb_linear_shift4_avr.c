// hb_linear_shift4_avr: levels +-2^k, factor = level + 128.
// SPDX-License-Identifier: Apache-2.0

// Codes 0 to 7 are +1, +2, +4 ... +128, codes 8 to 15 the same below 0.
#define HB_FACTORS                                                             \
    129, 130, 132, 136, 144, 160, 192, 0, 127, 126, 124, 120, 112, 96, 64, 0
#define FULL 7
#include "hb_factors_avr.h"

#define HB_LINEAR hb_linear_shift4_avr
#define HB_ROWS(y, x, w, n_in, n_out) hb_linear_shift4(y, x, w, n_in, n_out)
#define STEP 1
#define OFFSET 128
#define BLOCK 4
#define BYTES 2
#define LIMIT HB_MOST
#define hb_block hb_factors
typedef uint32_t hb_sum;
#include "hb_linear_avr.h"
