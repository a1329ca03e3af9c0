// hb_avgpool: the mean of every window, zeros outside the map counted.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

// Sum of one channel over a window; its first column, kx = 0, is input pixel p.
static int32_t sum_window(const int8_t *const *rows, int p, size_t c,
                          const HB_ROM hb_window *window)
{
    const int n_in = (int)window->n_in;
    int32_t sum = 0;
    for (uint8_t ky = 0; ky < window->kernel_h; ky++) {
        for (uint8_t kx = 0; kx < window->kernel_w; kx++) {
            if (rows[ky] != NULL && p + kx >= 0 && p + kx < n_in) {
                sum += rows[ky][(size_t)(p + kx) * window->pixel + c];
            }
        }
    }
    return sum;
}

void hb_avgpool(int8_t *y, const int8_t *const *rows,
                const HB_ROM hb_window *window, int32_t offset, uint32_t mul,
                uint8_t shift, int8_t base)
{
    int p = -(int)window->pad;
    for (uint16_t x = 0; x < window->n_out; x++) {
        for (size_t c = 0; c < window->channels; c++) {
            const int32_t sum = sum_window(rows, p, c, window);
            *y++ = hb_mean(sum, offset, mul, shift, base);
        }
        p += window->stride;
    }
}
