// hb_maxshift_exponent: the shift that hb_maxshift would choose.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

uint8_t hb_maxshift_exponent(const int32_t *acc, int8_t lo, int8_t hi, size_t n)
{
    return hb_exponent(acc, lo, hi, n);
}
