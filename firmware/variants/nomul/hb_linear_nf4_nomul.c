// hb_linear_nf4_nomul: the 16 NormalFloat levels, in columns.
// SPDX-License-Identifier: Apache-2.0

#include "hb_apart_nomul.h"
#include "hb_nomul.h"

union hb_table {
    int16_t product[16];
};

HB_APART void hb_products(union hb_table *table, int32_t x)
{
    int16_t *product = table->product;
    const int32_t x2 = 2 * x, x4 = 4 * x, x8 = 8 * x;
    const int32_t x16 = 16 * x, x32 = 32 * x, x64 = 64 * x;
    product[0] = (int16_t)(x - 2 * x64);    // -127
    product[1] = (int16_t)(x8 - x64 - x32); // -88
    product[2] = (int16_t)(x - x4 - x64);   // -67
    product[3] = (int16_t)(x16 - x64 - x2); // -50
    product[4] = (int16_t)(-x32 - x4);      // -36
    product[5] = (int16_t)(x - x16 - x8);   // -23
    product[6] = (int16_t)(x4 - x16);       // -12
    product[7] = 0;
    product[8] = (int16_t)(x8 + x2);            // 10
    product[9] = (int16_t)(x16 + x4);           // 20
    product[10] = (int16_t)(x32 - x);           // 31
    product[11] = (int16_t)(x32 + x8 + x2 + x); // 43
    product[12] = (int16_t)(x64 - x8);          // 56
    product[13] = (int16_t)(x64 + x8 - x);      // 71
    product[14] = (int16_t)(x64 + x32 - x4);    // 92
    product[15] = (int16_t)(2 * x64 - x);       // 127
}

#define HB_LINEAR hb_linear_nf4_nomul
#include "hb_products_nomul.h"
