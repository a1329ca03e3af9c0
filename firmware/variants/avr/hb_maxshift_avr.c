// hb_maxshift_avr: sums to activations, scaled to the tensor's own maximum.
// SPDX-License-Identifier: Apache-2.0
//
// As hb_maxshift, without a loop over all 32 bits for each shift. What is to be
// shifted by s is below 2^(s + 7) + 2^s / 2: two of its bytes hold it for s up
// to 8, the next two for s up to 16. Times 2^8 / 2^s it is still below 2^16,
// with the result in the upper byte.

#include "hb_avr.h"
#include "hb_round.h"

// The largest |acc[i]|, or max(acc[i], 0) where lo = 0.
static int32_t largest(const int32_t *acc, int8_t lo, size_t n)
{
    int32_t m = 0;
    for (const int32_t *const end = acc + n; acc != end; acc++) {
        int32_t v = *acc;
        if (v < 0) {
            v = lo < 0 ? -v : 0;
        }
        if (v > m) {
            m = v;
        }
    }
    return m;
}

void hb_maxshift_avr(int8_t *y, const int32_t *acc, int8_t lo, int8_t hi,
                     size_t n)
{
    uint8_t s = 0;
    for (int32_t m = largest(acc, lo, n); m > hi; m >>= 1) {
        s++;
    }
    const int32_t half = hb_half(s);
    uint8_t far = 0; // bits shifted one by one, of sums above 2^23
    if (s > 16) {
        far = (uint8_t)(s - 16);
        s = 16;
    }
    const uint8_t upper = s > 8;
    const uint16_t mul = (uint16_t)((uint16_t)1 << ((upper ? 16 : 8) - s));
    for (const int32_t *const end = acc + n; acc != end; acc++) {
        int32_t v = *acc + half;
        uint8_t sign = 0, most = (uint8_t)hi;
        if (v < 0) {
            if (lo == 0) {
                *y++ = 0;
                continue;
            }
            v = ~v; // v >> s is ~(~v >> s)
            sign = 0xff;
            most = (uint8_t)~lo;
        }
        if (far > 0) {
            v >>= far;
        }
        const uint16_t held = (uint16_t)(upper ? v >> 8 : v);
        uint8_t shifted = (uint8_t)((uint16_t)(held * mul) >> 8);
        if (shifted > most) {
            shifted = most;
        }
        *y++ = (int8_t)(shifted ^ sign);
    }
}
