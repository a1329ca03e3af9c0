// The decoders: from packed bits to codes, from codes to levels. Private.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_LEVEL_H
#define HB_LEVEL_H

#include "hb.h"

// hb_level_<format>: the level of a code, SPEC 3. The code is in the range of
// its format. level * activation fits 16 bits: |.| <= 128 * 127.

static inline int8_t hb_level_binary(uint8_t code)
{
    return (int8_t)(2 * code - 1);
}

static inline int8_t hb_level_ternary(uint8_t code)
{
    return (int8_t)(code - 1);
}

static inline int8_t hb_level_sym2(uint8_t code)
{
    return (int8_t)(2 * code - 3);
}

static inline int8_t hb_level_sym4(uint8_t code)
{
    return (int8_t)(2 * code - 15);
}

static inline int8_t hb_level_int4(uint8_t code)
{
    return (int8_t)(code - 8);
}

static inline int16_t hb_level_shift4(uint8_t code)
{
    const int16_t size = (int16_t)(1 << (code & 7));
    return (int16_t)(code & 8 ? -size : size);
}

static inline int8_t hb_level_nf4(uint8_t code)
{
    static const HB_ROM int8_t level[16] = {
        -127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127,
    };
    return level[code];
}

static inline int8_t hb_level_sym5(uint8_t code)
{
    return (int8_t)(2 * code - 31);
}

// The next ternary code of a byte, SPEC 4.2, which is left one trit shorter.
static inline uint8_t hb_next_trit(uint8_t *byte)
{
    const uint16_t v = (uint16_t)(3 * *byte); // <= 765, so the code is <= 2
    *byte = (uint8_t)v;
    return (uint8_t)(v >> 8);
}

#endif
