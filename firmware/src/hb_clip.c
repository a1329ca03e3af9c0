// hb_clip: activations into a smaller range.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_round.h"

void hb_clip(int8_t *y, const int8_t *x, int8_t lo, int8_t hi, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = hb_clamp(x[i], lo, hi);
    }
}
