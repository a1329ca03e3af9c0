// hb_average_divide: hb_average for areas that no multiplier divides by.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"
#include "hb_divide.h"

void hb_average_divide(int8_t *y, const int32_t *acc, int32_t offset,
                       uint32_t area, int8_t base, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = hb_mean_divide(acc[i], offset, area, base);
    }
}
