// hb_linear_nf4_avr: the 16 levels of SPEC 3, factor = level + 127.
// SPDX-License-Identifier: Apache-2.0

#define HB_FACTORS                                                             \
    0, 39, 60, 77, 91, 104, 115, 127, 137, 147, 158, 170, 183, 198, 219, 254
#include "hb_factors_avr.h"

#define HB_LINEAR hb_linear_nf4_avr
#define HB_ROWS(y, x, w, n_in, n_out) hb_linear_nf4(y, x, w, n_in, n_out)
#define STEP 1
#define OFFSET 127
#define BLOCK 4
#define BYTES 2
#define LIMIT HB_MOST
#define hb_block hb_factors
typedef uint32_t hb_sum;
#include "hb_linear_avr.h"
