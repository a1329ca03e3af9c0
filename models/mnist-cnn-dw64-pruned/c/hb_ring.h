// Where a row of a map lies in a ring of rows. Private.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_RING_H
#define HB_RING_H

#include "hb.h"

// y modulo ring, by long division in base 2: a core may have no divider, and
// a series may have thousands of rows.
static inline uint16_t hb_modulo(uint16_t y, uint16_t ring)
{
    uint16_t m = ring;
    while (m <= y >> 1) {
        m = (uint16_t)(m << 1); // <= y
    }
    for (; m >= ring; m = (uint16_t)(m >> 1)) {
        y = (uint16_t)(y >= m ? y - m : y); // < m
    }
    return y;
}

static inline size_t hb_row_offset(size_t row_size, uint16_t ring, uint16_t y)
{
    return hb_modulo(y, ring) * row_size;
}

#endif
