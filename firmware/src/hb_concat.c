// hb_concat: the channels of one input among those of the output.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_concat(int8_t *y, size_t step, const int8_t *x, int16_t m, uint8_t s,
               int8_t lo, int8_t hi, size_t n_pixels, size_t channels)
{
    const int32_t half = hb_half(s);
    for (size_t p = 0; p < n_pixels; p++) {
        for (size_t c = 0; c < channels; c++) {
            y[c] = hb_clamp(((int32_t)*x++ * m + half) >> s, lo, hi);
        }
        y += step;
    }
}
