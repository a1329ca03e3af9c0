// hb_argmax: the predicted class.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"

size_t hb_argmax(const int32_t *y, size_t n)
{
    const int32_t *best = y;
    for (const int32_t *const end = y + n, *v = y; v != end; v++) {
        if (*v > *best) {
            best = v;
        }
    }
    return (size_t)(best - y);
}
