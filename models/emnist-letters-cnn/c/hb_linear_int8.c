// hb_linear_int8: a weight to a byte, levels -127, -126, ..., +127.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"

void hb_linear_int8(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out)
{
    const HB_ROM int8_t *level = (const HB_ROM int8_t *)w;
    for (size_t o = 0; o < n_out; o++) {
        int32_t sum = 0;
        for (size_t i = 0; i < n_in; i++) {
            sum += *level++ * x[i];
        }
        y[o] = sum;
    }
}
