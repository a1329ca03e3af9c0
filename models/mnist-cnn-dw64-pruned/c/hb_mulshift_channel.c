// hb_mulshift_channel: sums of one channel to activations, a multiplier.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_mulshift_channel(int8_t *y, size_t step, const int32_t *acc,
                         const HB_ROM int16_t *m, const HB_ROM int32_t *b,
                         const HB_ROM uint8_t *s, int8_t lo, int8_t hi,
                         size_t n)
{
    const int16_t mul = *m;
    const int32_t add = *b;
    const uint8_t shift = *s;
    for (; n > 0; n--, y += step) {
        *y = hb_clamp((*acc++ * mul + add) >> shift, lo, hi);
    }
}
