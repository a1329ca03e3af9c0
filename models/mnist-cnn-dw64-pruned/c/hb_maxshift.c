// hb_maxshift: sums to activations, scaled to the tensor's own maximum.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_maxshift(int8_t *y, const int32_t *acc, int8_t lo, int8_t hi, size_t n)
{
    const uint8_t s = hb_exponent(acc, lo, hi, n);
    const int32_t half = hb_half(s);
    for (const int32_t *const end = acc + n; acc != end; acc++) {
        *y++ = hb_clamp((*acc + half) >> s, lo, hi);
    }
}
