// What the means of a window share: its sum. Private.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_SUM_WINDOW_H
#define HB_SUM_WINDOW_H

#include "hb.h"

// Sum of one channel over a window; its first column, kx = 0, is input pixel p.
static inline int32_t hb_sum_window(const int8_t *const *rows, int p, size_t c,
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

#endif
