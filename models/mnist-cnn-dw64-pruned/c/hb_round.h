// Rounding and clamping, SPEC 1. Private.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_ROUND_H
#define HB_ROUND_H

#include "hb.h"

// Half of 2^s, 0 for s = 0. s <= 31, so it is at most 2^30.
static inline int32_t hb_half(uint8_t s)
{
    return (int32_t)(((uint32_t)1 << s) >> 1);
}

static inline int8_t hb_clamp(int32_t v, int8_t lo, int8_t hi)
{
    if (v < lo) {
        v = lo;
    }
    if (v > hi) {
        v = hi;
    }
    return (int8_t)v;
}

// The shift of SPEC 5.2 for n sums: the smallest s that brings each of them,
// where lo < 0 the size of each, to at most hi.
static inline uint8_t hb_exponent(const int32_t *acc, int8_t lo, int8_t hi,
                                  size_t n)
{
    uint8_t s = 0;
    for (const int32_t *const end = acc + n; acc != end; acc++) {
        const int32_t v = *acc < 0 && lo < 0 ? -*acc : *acc;
        while (v >> s > hi) {
            s++;
        }
    }
    return s;
}

// The mean of SPEC 5.9 from its sum.
static inline int8_t hb_mean(int32_t sum, int32_t offset, uint32_t mul,
                             uint8_t shift, int8_t base)
{
    const uint32_t floor = ((uint32_t)(sum + offset) * mul) >> shift; // <= 254
    return (int8_t)((int16_t)floor - base);
}

#endif
