// hb_avgpool: the mean of every window, zeros outside the map counted.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"
#include "hb_sum_window.h"

void hb_avgpool(int8_t *y, const int8_t *const *rows,
                const HB_ROM hb_window *window, int32_t offset, uint32_t mul,
                uint8_t shift, int8_t base)
{
    int p = -(int)window->pad;
    for (uint16_t x = 0; x < window->n_out; x++) {
        for (size_t c = 0; c < window->channels; c++) {
            const int32_t sum = hb_sum_window(rows, p, c, window);
            *y++ = hb_mean(sum, offset, mul, shift, base);
        }
        p += window->stride;
    }
}
