// hb_linear_ternary: 5 trits in a byte, levels -1, 0 and +1.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_level.h"

// Sum over the first n <= 5 codes of a byte. |sum| <= 5 * 127.
static inline int group(uint8_t byte, const int8_t *x, uint8_t n)
{
    int sum = 0;
    for (uint8_t k = 0; k < n; k++) {
        sum += hb_level_ternary(hb_next_trit(&byte)) * x[k];
    }
    return sum;
}

void hb_linear_ternary(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                       size_t n_in, size_t n_out)
{
    for (size_t o = 0; o < n_out; o++) {
        int32_t sum = 0;
        size_t i = 0;
        for (; n_in - i >= 5; i += 5) {
            sum += group(*w++, x + i, 5);
        }
        if (i < n_in) {
            sum += group(*w++, x + i, (uint8_t)(n_in - i));
        }
        y[o] = sum;
    }
}
