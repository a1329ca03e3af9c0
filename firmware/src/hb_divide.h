// The mean of an area that no multiplier of 32 bits divides by. Private.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_DIVIDE_H
#define HB_DIVIDE_H

#include "hb.h"

// floor(v / area) for v < 2^8 * area and area < 2^25, long division in base 2.
static inline uint8_t hb_divide(uint32_t v, uint32_t area)
{
    uint8_t quotient = 0;
    uint32_t part = area << 7; // bit * area
    for (uint8_t bit = 128; bit > 0; bit >>= 1, part >>= 1) {
        if (v >= part) {
            v -= part;
            quotient |= bit;
        }
    }
    return quotient;
}

// The mean of SPEC 5.9 from its sum.
static inline int8_t hb_mean_divide(int32_t sum, int32_t offset, uint32_t area,
                                    int8_t base)
{
    const uint8_t floor = hb_divide((uint32_t)(sum + offset), area); // <= 254
    return (int8_t)((int16_t)floor - base);
}

#endif
