// hb_linear_sym4: 2 codes in a byte, levels -15, -13, ..., +15.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_level.h"

void hb_linear_sym4(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out)
{
    for (size_t o = 0; o < n_out; o++) {
        int32_t sum = 0;
        size_t i = 0;
        for (; n_in - i >= 2; i += 2) {
            const uint8_t byte = *w++;
            sum += hb_level_sym4(byte & 15) * x[i];
            sum += hb_level_sym4(byte >> 4) * x[i + 1];
        }
        if (i < n_in) {
            sum += hb_level_sym4(*w++ & 15) * x[i];
        }
        y[o] = sum;
    }
}
