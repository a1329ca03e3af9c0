// hb_layernorm: activations from their mean, over their deviation.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_root.h"
#include "hb_round.h"

void hb_layernorm(int8_t *y, const int8_t *x, int32_t c, uint8_t s, int8_t lo,
                  int8_t hi, size_t n)
{
    uint32_t square = 0;
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        square += (uint16_t)((int16_t)x[i] * x[i]);
        sum += x[i];
    }
    // n * square < 2^32, and sum^2 <= n * square
    const uint32_t size = (uint32_t)(sum < 0 ? -sum : sum);
    const int32_t r = hb_over_root(c, (uint32_t)n * square - size * size);
    const int32_t half = hb_half(s);
    for (size_t i = 0; i < n; i++) {
        y[i] = hb_clamp((((int32_t)n * x[i] - sum) * r + half) >> s, lo, hi);
    }
}
