// hb_mulshift_avr: sums to activations, a multiplier for every channel.
// SPDX-License-Identifier: Apache-2.0

#include "hb_avr.h"

void hb_mulshift_avr(int8_t *y, const int32_t *acc, const HB_ROM int16_t *m,
                     const HB_ROM int32_t *b, const HB_ROM uint8_t *s,
                     int8_t lo, int8_t hi, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        hb_mulshift_channel_avr(y + i, 1, acc + i, m + i, b + i, s + i, lo, hi,
                                1);
    }
}
