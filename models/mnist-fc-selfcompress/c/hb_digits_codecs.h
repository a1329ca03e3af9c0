// Products of an activation with levels of up to 8 bits, from those with the 32
// levels of 5 bits.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_DIGITS_CODECS_H
#define HB_DIGITS_CODECS_H

#include "hb_products_codecs.h"

enum {
    DIGIT = 16 // a level is DIGIT * a + b, -8 <= a <= 7 and 0 <= b <= 15
};

// A table of levels, -16 to 15.
static const HB_ROM uint8_t hb_digits[HEAD_BYTES] = {LEVELS, 256 - DIGIT, 1};

// The product with a level of 8 bits, of those that hb_make_products made of
// hb_digits.
static inline int16_t hb_by_digits(const int16_t *product, int level)
{
    const int16_t *zero = product + DIGIT;
    return (int16_t)(zero[level >> 4] * DIGIT + zero[level & (DIGIT - 1)]);
}

#endif
