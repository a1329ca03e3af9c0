// __mulsi3: the multiplication that compilers call on cores without one.
// SPDX-License-Identifier: Apache-2.0

#include <stdint.h>

int32_t __mulsi3(int32_t a, int32_t b);

// a * b modulo 2^32, one turn for each bit of |a|: compilers put a weight
// there, which is small. Their own function takes 32 turns for a negative one.
int32_t __mulsi3(int32_t a, int32_t b)
{
    const uint32_t sign = (uint32_t)-(a < 0); // all ones, or 0
    uint32_t left = ((uint32_t)a ^ sign) - sign;
    uint32_t addend = ((uint32_t)b ^ sign) - sign;
    uint32_t sum = 0;
    for (; left > 0; left >>= 1) {
        if (left & 1) {
            sum += addend;
        }
        addend <<= 1;
    }
    return (int32_t)sum;
}
