// hb_shift: sums to activations, one power of two for the layer.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_shift(int8_t *y, const int32_t *acc, const HB_ROM int32_t *b,
              const HB_ROM uint8_t *s, int8_t lo, int8_t hi, size_t n)
{
    const uint8_t shift = *s;
    const int32_t half = hb_half(shift);
    for (size_t i = 0; i < n; i++) {
        y[i] = hb_clamp((acc[i] + b[i] + half) >> shift, lo, hi);
    }
}
