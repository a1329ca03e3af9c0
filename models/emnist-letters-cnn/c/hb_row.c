// hb_row: a row of a map that a ring holds.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_ring.h"

int8_t *hb_row(int8_t *map, size_t row_size, uint16_t ring, uint16_t y)
{
    return map + hb_row_offset(row_size, ring, y);
}
