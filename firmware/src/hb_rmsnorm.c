// hb_rmsnorm: activations over their root mean square.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_root.h"
#include "hb_round.h"

void hb_rmsnorm(int8_t *y, const int8_t *x, int32_t c, uint8_t s, int8_t lo,
                int8_t hi, size_t n)
{
    uint32_t square = 0;
    for (size_t i = 0; i < n; i++) {
        square += (uint16_t)((int16_t)x[i] * x[i]);
    }
    const int32_t r = hb_over_root(c, square);
    const int32_t half = hb_half(s);
    for (size_t i = 0; i < n; i++) {
        y[i] = hb_clamp((x[i] * r + half) >> s, lo, hi);
    }
}
