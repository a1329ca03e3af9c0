// hb_mulshift_channel: sums of one channel to activations, a multiplier.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_mulshift_channel(int8_t *y, size_t step, const int32_t *acc, int16_t m,
                         int32_t b, uint8_t s, int8_t lo, int8_t hi, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i * step] = hb_clamp((acc[i] * m + b) >> s, lo, hi);
    }
}
