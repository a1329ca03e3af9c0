// hb_linear_shift4_nomul: levels +-1, +-2, ..., +-128, in columns.
// SPDX-License-Identifier: Apache-2.0

#include "hb_apart_nomul.h"
#include "hb_nomul.h"

HB_APART void hb_products(int16_t *product, int32_t x)
{
    for (int k = 0; k < 8; k++, x *= 2) {
        product[k] = (int16_t)x;
        product[k + 8] = (int16_t)-x;
    }
}

#define HB_LINEAR hb_linear_shift4_nomul
#include "hb_products_nomul.h"
