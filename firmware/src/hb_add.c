// hb_add: two tensors of different scales to one.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_add(int8_t *y, const int8_t *a, const int8_t *b,
            const HB_ROM int16_t *m, uint8_t s, int8_t lo, int8_t hi, size_t n)
{
    const int32_t m_a = m[0], m_b = m[1];
    const int32_t half = hb_half(s);
    for (size_t i = 0; i < n; i++) {
        y[i] = hb_clamp((a[i] * m_a + b[i] * m_b + half) >> s, lo, hi);
    }
}
