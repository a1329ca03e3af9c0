// hb_sum_row: adds up the pixels of a row, for a mean over the map.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"

void hb_sum_row(int32_t *acc, const int8_t *row, size_t n_pixels,
                size_t n_channels)
{
    for (size_t p = 0; p < n_pixels; p++) {
        for (size_t c = 0; c < n_channels; c++) {
            acc[c] += *row++;
        }
    }
}
