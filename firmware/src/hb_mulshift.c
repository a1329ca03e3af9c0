// hb_mulshift: sums to activations, a multiplier, bias and shift per channel.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_mulshift(int8_t *y, const int32_t *acc, const HB_ROM int16_t *m,
                 const HB_ROM int32_t *b, const HB_ROM uint8_t *s, int8_t lo,
                 int8_t hi, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = hb_clamp((acc[i] * m[i] + b[i]) >> s[i], lo, hi);
    }
}
