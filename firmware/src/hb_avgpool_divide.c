// hb_avgpool_divide: hb_avgpool for areas that no multiplier divides by.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_divide.h"
#include "hb_sum_window.h"

void hb_avgpool_divide(int8_t *y, const int8_t *const *rows,
                       const HB_ROM hb_window *window, int32_t offset,
                       uint32_t area, int8_t base)
{
    int p = -(int)window->pad;
    for (uint16_t x = 0; x < window->n_out; x++) {
        for (size_t c = 0; c < window->channels; c++) {
            const int32_t sum = hb_sum_window(rows, p, c, window);
            *y++ = hb_mean_divide(sum, offset, area, base);
        }
        p += window->stride;
    }
}
