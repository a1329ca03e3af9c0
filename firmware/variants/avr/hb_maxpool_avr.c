// hb_maxpool_avr: the largest pixel of every window, in each channel; fast for
// windows of 2x2 that do not overlap, in one channel.
// SPDX-License-Identifier: Apache-2.0

#include "hb_avr.h"

static inline int8_t hb_larger(int8_t a, int8_t b)
{
    return a > b ? a : b;
}

void hb_maxpool_avr(int8_t *y, const int8_t *const *rows,
                    const HB_ROM hb_window *window)
{
    uint16_t n = window->n_out;
    if (window->kernel_h != 2 || window->kernel_w != 2 || window->stride != 2 ||
        window->pad != 0 || window->channels != 1 || window->pixel != 1 ||
        n > window->n_in / 2 || rows[0] == NULL || rows[1] == NULL) {
        hb_maxpool(y, rows, window);
        return;
    }
    const int8_t *upper = rows[0];
    const int8_t *lower = rows[1];
    for (; n > 0; n--, upper += 2, lower += 2) {
        *y++ = hb_larger(hb_larger(upper[0], upper[1]),
                         hb_larger(lower[0], lower[1]));
    }
}
