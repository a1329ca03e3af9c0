// hb_average: sums over a map to means.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_average(int8_t *y, const int32_t *acc, int32_t offset, uint32_t mul,
                uint8_t shift, int8_t base, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = hb_mean(acc[i], offset, mul, shift, base);
    }
}
