// Integer root and quotient, for cores that divide by subtraction. Private.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_ROOT_H
#define HB_ROOT_H

#include "hb.h"

// floor(sqrt(v)), a bit of it at a time.
static inline uint16_t hb_root(uint32_t v)
{
    uint32_t root = 0;
    for (uint32_t bit = (uint32_t)1 << 30; bit > 0; bit >>= 2) {
        const uint32_t next = root + bit;
        root >>= 1;
        if (v >= next) {
            v -= next;
            root += bit;
        }
    }
    return (uint16_t)root;
}

// floor(a / b) for b > 0 and a < 2^31, long division in base 2.
static inline uint32_t hb_quotient(uint32_t a, uint16_t b)
{
    uint32_t quotient = 0;
    uint32_t rest = 0; // < b, so twice of it and one fit
    for (uint8_t i = 0; i < 31; i++) {
        a <<= 1;
        rest = rest << 1 | a >> 31;
        quotient <<= 1;
        if (rest >= b) {
            rest -= b;
            quotient |= 1;
        }
    }
    return quotient;
}

// r of SPEC 5.15: c over the root, which counts as 1 where it is 0.
static inline int32_t hb_over_root(int32_t c, uint32_t square)
{
    const uint16_t root = hb_root(square);
    return (int32_t)hb_quotient((uint32_t)c, root > 0 ? root : 1);
}

#endif
