// hb_add_bias: sums to sums, the bias of the last layer.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"

void hb_add_bias(int32_t *y, const int32_t *acc, const HB_ROM int32_t *b,
                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = acc[i] + b[i];
    }
}
