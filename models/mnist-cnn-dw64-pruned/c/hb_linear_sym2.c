// hb_linear_sym2: 4 codes in a byte, levels -3, -1, +1 and +3.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_level.h"

// Sum over the first n <= 4 codes of a byte. |sum| <= 4 * 127 * 3.
static inline int group(uint8_t byte, const int8_t *x, uint8_t n)
{
    int sum = 0;
    for (uint8_t k = 0; k < n; k++) {
        sum += hb_level_sym2(byte >> 2 * k & 3) * x[k];
    }
    return sum;
}

void hb_linear_sym2(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out)
{
    for (size_t o = 0; o < n_out; o++) {
        int32_t sum = 0;
        size_t i = 0;
        for (; n_in - i >= 4; i += 4) {
            sum += group(*w++, x + i, 4);
        }
        if (i < n_in) {
            sum += group(*w++, x + i, (uint8_t)(n_in - i));
        }
        y[o] = sum;
    }
}
