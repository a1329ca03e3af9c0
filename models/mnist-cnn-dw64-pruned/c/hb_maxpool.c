// hb_maxpool: the largest pixel of every window, in each channel.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"

void hb_maxpool(int8_t *y, const int8_t *const *rows,
                const HB_ROM hb_window *window)
{
    const int n_in = (int)window->n_in;
    const size_t channels = window->channels;
    int p = -(int)window->pad; // the input pixel at kx = 0
    for (uint16_t x = 0; x < window->n_out; x++) {
        for (size_t c = 0; c < channels; c++) {
            y[c] = INT8_MIN;
        }
        for (uint8_t ky = 0; ky < window->kernel_h; ky++) {
            for (uint8_t kx = 0; kx < window->kernel_w; kx++) {
                if (rows[ky] == NULL || p + kx < 0 || p + kx >= n_in) {
                    continue;
                }
                const int8_t *in = rows[ky] + (size_t)(p + kx) * window->pixel;
                for (size_t c = 0; c < channels; c++) {
                    y[c] = in[c] > y[c] ? in[c] : y[c];
                }
            }
        }
        y += channels;
        p += window->stride;
    }
}
