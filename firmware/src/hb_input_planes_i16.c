// hb_input_planes_i16: planes of int16_t to a map of activations.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_input_planes_i16(int8_t *y, const int16_t *x, int16_t offset,
                         uint8_t shift, int8_t lo, int8_t hi, size_t n_pixels,
                         size_t channels)
{
    for (size_t c = 0; c < channels; c++) {
        for (size_t p = 0; p < n_pixels; p++) {
            y[p * channels + c] =
                hb_clamp(((int32_t)*x++ + offset) >> shift, lo, hi);
        }
    }
}
