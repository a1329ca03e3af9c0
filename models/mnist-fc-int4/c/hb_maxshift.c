// hb_maxshift: sums to activations, scaled to the tensor's own maximum.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_maxshift(int8_t *y, const int32_t *acc, int8_t lo, int8_t hi, size_t n)
{
    int32_t m = 0;
    for (size_t i = 0; i < n; i++) {
        const int32_t v = acc[i] < 0 && lo < 0 ? -acc[i] : acc[i];
        m = v > m ? v : m;
    }
    uint8_t s = 0;
    for (; m > hi; m >>= 1) {
        s++;
    }
    const int32_t half = hb_half(s);
    for (size_t i = 0; i < n; i++) {
        y[i] = hb_clamp((acc[i] + half) >> s, lo, hi);
    }
}
