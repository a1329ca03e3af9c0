// The linear kernel of codes of 4 bits that are levels but for a factor and an
// offset: 8 outputs are 4 bytes of a column.
// SPDX-License-Identifier: Apache-2.0

#define BEHIND 0
#include "hb_nibbles_avr.h"

#define BLOCK 8
#define BYTES 4
#define LIMIT HB_NIBBLES_LIMIT
#define hb_block hb_nibbles
typedef uint16_t hb_sum;
#include "hb_linear_avr.h"
