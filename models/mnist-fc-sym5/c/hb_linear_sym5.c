// hb_linear_sym5: 8 codes in 5 bytes, levels -31, -29, ..., +31.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_level.h"

void hb_linear_sym5(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out)
{
    for (size_t o = 0; o < n_out; o++) {
        int32_t sum = 0;
        uint16_t bits = 0; // read from the row and not used yet
        uint8_t n_bits = 0;
        for (size_t i = 0; i < n_in; i++) {
            if (n_bits < 5) {
                bits = (uint16_t)(bits | (uint16_t)*w++ << n_bits); // < 2^12
                n_bits = (uint8_t)(n_bits + 8);
            }
            sum += hb_level_sym5(bits & 31) * x[i];
            bits >>= 5;
            n_bits = (uint8_t)(n_bits - 5);
        }
        y[o] = sum;
    }
}
