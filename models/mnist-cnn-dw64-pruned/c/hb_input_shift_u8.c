// hb_input_shift_u8: uint8_t to activations.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_input_shift_u8(int8_t *y, const uint8_t *x, int16_t offset,
                       uint8_t shift, int8_t lo, int8_t hi, size_t n)
{
    for (const uint8_t *const end = x + n; x != end; x++) {
        *y++ = hb_clamp(((int32_t)*x + offset) >> shift, lo, hi);
    }
}
