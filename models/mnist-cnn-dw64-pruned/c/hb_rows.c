// hb_rows: the rows under a window, of a map that a ring holds.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_ring.h"

void hb_rows(const int8_t **rows, const int8_t *map, size_t row_size,
             uint16_t ring, int16_t first, uint8_t n, uint16_t height)
{
    for (uint8_t j = 0; j < n; j++) {
        const int32_t y = (int32_t)first + j;
        rows[j] = y < 0 || y >= height
                      ? NULL
                      : map + hb_row_offset(row_size, ring, (uint16_t)y);
    }
}
