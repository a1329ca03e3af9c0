// hb_argmax: the predicted class.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"

size_t hb_argmax(const int32_t *y, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        if (y[i] > y[best]) {
            best = i;
        }
    }
    return best;
}
