// hb_linear_sym5_avr: codes of 5 bits, level = 2 * code - 31.
// SPDX-License-Identifier: Apache-2.0

// 8 outputs are 5 bytes of a column: 4 of the codes' lower 4 bits, 1 of their
// upper bits.

#define BEHIND 1
#include "hb_nibbles_avr.h"
#define AHEAD 4
#include "hb_bits_avr.h"

#define HB_LINEAR hb_linear_sym5_avr
#define HB_ROWS(y, x, w, n_in, n_out) hb_linear_sym5(y, x, w, n_in, n_out)
#define STEP 2
#define OFFSET 31
#define BLOCK 8
#define BYTES 5
#define LIMIT HB_NIBBLES_LIMIT
typedef uint32_t hb_sum;

static HB_OWN_FRAME void hb_block(uint32_t *sums, const struct hb_entry *e,
                                  uint8_t n, const HB_ROM uint8_t *w)
{
    uint16_t low[8], high[8];
    hb_nibbles(low, e, n, w);
    hb_bits(high, e, n, w);
    for (uint8_t k = 0; k < 8; k++) {
        sums[k] = low[k] + ((uint32_t)high[k] << 4);
    }
}

#include "hb_linear_avr.h"
