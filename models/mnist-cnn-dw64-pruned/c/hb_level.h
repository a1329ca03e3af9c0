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

// A row of codes that is read one code after the other, SPEC 4.
struct hb_codes {
    const HB_ROM uint8_t *next; // the byte after those read
    uint16_t bits;              // what was read and not used yet,
    uint8_t left;               // and how many codes or bits of it there are
};

// The next code of a format of 1, 2 or 4 bits, 8, 4 or 2 of which are a byte.
static inline uint8_t hb_next_code(struct hb_codes *c, uint8_t bits,
                                   uint8_t codes_in_byte)
{
    if (c->left == 0) {
        c->bits = *c->next++;
        c->left = codes_in_byte;
    }
    const uint8_t code = (uint8_t)(c->bits & ((1u << bits) - 1));
    c->bits = (uint16_t)(c->bits >> bits);
    c->left--;
    return code;
}

// The next code of 5 bits, which may lie in two bytes.
static inline uint8_t hb_next_code_of_5_bits(struct hb_codes *c)
{
    if (c->left < 5) {
        c->bits =
            (uint16_t)(c->bits | (uint16_t)*c->next++ << c->left); // < 2^12
        c->left = (uint8_t)(c->left + 8);
    }
    const uint8_t code = c->bits & 31;
    c->bits = (uint16_t)(c->bits >> 5);
    c->left = (uint8_t)(c->left - 5);
    return code;
}

static inline uint8_t hb_next_ternary_code(struct hb_codes *c)
{
    if (c->left == 0) {
        c->bits = *c->next++;
        c->left = 5;
    }
    uint8_t byte = (uint8_t)c->bits;
    const uint8_t code = hb_next_trit(&byte);
    c->bits = byte;
    c->left--;
    return code;
}

#endif
