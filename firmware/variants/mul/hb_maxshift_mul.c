// hb_maxshift_mul: sums to activations, scaled to the tensor's own maximum.
// SPDX-License-Identifier: Apache-2.0
//
// As hb_maxshift, with a loop for either end of the range: the most a compiler
// makes of them are a load and a comparison for a sum.

#include "hb_mul.h"
#include "hb_round.h"

// The largest |acc[i]|, or max(acc[i], 0) where lo = 0.
static int32_t hb_largest(const int32_t *acc, int8_t lo, size_t n)
{
    const int32_t *const end = acc + n;
    int32_t m = 0;
    if (lo < 0) {
        for (const int32_t *a = acc; a != end; a++) {
            if (*a < m) {
                m = *a;
            }
        }
        m = -m;
    }
    for (const int32_t *a = acc; a != end; a++) {
        if (*a > m) {
            m = *a;
        }
    }
    return m;
}

void hb_maxshift_mul(int8_t *y, const int32_t *acc, int8_t lo, int8_t hi,
                     size_t n)
{
    const int32_t least = lo, most = hi;
    uint8_t s = 0;
    for (int32_t m = hb_largest(acc, lo, n); m > most; m >>= 1) {
        s++;
    }
    const int32_t half = hb_half(s);
    for (const int32_t *const end = acc + n; acc != end; acc++) {
        const int32_t v = (*acc + half) >> s;
        int8_t clamped = lo;
        if (v > least) {
            clamped = hi;
            if (v < most) {
                clamped = (int8_t)v;
            }
        }
        *y++ = clamped;
    }
}
