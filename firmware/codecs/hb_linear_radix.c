// hb_linear_radix: digits of any base up to 32 in words of 16 bits, SPEC 4.12.
// SPDX-License-Identifier: Apache-2.0

#include "hb_apart_codecs.h"
#include "hb_codecs.h"
#include "hb_products_codecs.h"

// y[o] += the products of a column, whose words hold `digits` digits each.
HB_APART void hb_add_digits(int32_t *y, const HB_ROM uint8_t *w, size_t n_out,
                            uint8_t digits, uint8_t base,
                            const int16_t *product)
{
    const int32_t *end = y + n_out;
    while (y < end) {
        uint16_t fraction = (uint16_t)(w[0] | w[1] << 8);
        w += 2;
        for (uint8_t k = digits; k > 0 && y < end; k--) {
            const uint32_t v = (uint32_t)fraction * base; // < 2^16 * 32
            *y++ += product[v >> 16];
            fraction = (uint16_t)v;
        }
    }
}

void hb_linear_radix(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                     size_t n_in, size_t n_out)
{
    int16_t product[LEVELS];
    const uint8_t digits = w[0];
    const HB_ROM uint8_t *levels = w + 1;
    size_t column = 0; // bytes of it
    for (size_t o = 0; o < n_out; o += digits) {
        column += 2;
    }
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    w = hb_behind_levels(levels);
    for (; n_in > 0; n_in--, x++, w += column) {
        if (*x != 0) {
            hb_make_products(product, levels, *x);
            hb_add_digits(y, w, n_out, digits, levels[0], product);
        }
    }
}
