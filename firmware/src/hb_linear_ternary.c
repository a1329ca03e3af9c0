// hb_linear_ternary: 5 trits in a byte, levels -1, 0 and +1.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_level.h"

// Sum over the first n <= 5 codes of a byte. |sum| <= 5 * 127.
static inline int group(uint8_t byte, const int8_t *x, uint8_t n)
{
    int sum = 0;
    for (uint8_t k = 0; k < n; k++) {
        sum += hb_level_ternary(hb_next_trit(&byte)) * x[k];
    }
    return sum;
}

// The last group is not a case of its own: from a loop over whole groups LLVM
// makes a division of n_in by 5, which a core without a divider has to call.
void hb_linear_ternary(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                       size_t n_in, size_t n_out)
{
    for (size_t o = 0; o < n_out; o++) {
        int32_t sum = 0;
        for (size_t i = 0; i < n_in;) {
            const uint8_t n = n_in - i < 5 ? (uint8_t)(n_in - i) : 5;
            sum += group(*w++, x + i, n);
            i += n;
        }
        y[o] = sum;
    }
}
