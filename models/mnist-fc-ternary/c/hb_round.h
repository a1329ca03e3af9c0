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
    return v < lo ? lo : v > hi ? hi : (int8_t)v;
}

#endif
