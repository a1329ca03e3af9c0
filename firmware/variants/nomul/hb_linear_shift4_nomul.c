// hb_linear_shift4_nomul: levels +-1, +-2, ..., +-128, in columns.
// SPDX-License-Identifier: Apache-2.0

#include "hb_apart_nomul.h"
#include "hb_nomul.h"

// Products of codes 0 ... 15; of 2 k and 2 k + 1 in the halves of pair[k], on
// little-endian cores.
union hb_table {
    int16_t product[16];
    uint32_t pair[8];
};

// The products of `size` with 1, 2, 4 ... and with -1, -2, -4 ...
HB_APART void hb_pairs(uint32_t *plus, uint32_t *minus, uint32_t size)
{
    // Halves are multiples of 64 up to 127 * 128 < 2^15, then of 16, 4 and 1:
    // none gives a bit to the other one, and lower ones taken from 2^16 leave
    // the upper ones what they take from 0.
    uint32_t pair = (size << 6) + (size << 23);
    plus[3] = pair;
    minus[3] = 0x10000 - pair;
    pair >>= 2;
    plus[2] = pair;
    minus[2] = 0x10000 - pair;
    pair >>= 2;
    plus[1] = pair;
    minus[1] = 0x10000 - pair;
    pair >>= 2;
    plus[0] = pair;
    minus[0] = 0x10000 - pair;
}

// x is not 0.
static inline void hb_products(union hb_table *table, int32_t x)
{
    if (x > 0) {
        hb_pairs(table->pair, table->pair + 4, (uint32_t)x);
    } else {
        hb_pairs(table->pair + 4, table->pair, -(uint32_t)x);
    }
}

#define HB_LINEAR hb_linear_shift4_nomul
#include "hb_products_nomul.h"
