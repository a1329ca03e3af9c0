// hb_input_shift_i16: int16_t to activations.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_input_shift_i16(int8_t *y, const int16_t *x, int16_t offset,
                        uint8_t shift, int8_t lo, int8_t hi, size_t n)
{
    for (const int16_t *const end = x + n; x != end; x++) {
        *y++ = hb_clamp(((int32_t)*x + offset) >> shift, lo, hi);
    }
}
