// hb_linear_widths: columns of codes with as many bits as their output has,
// SPEC 4.10.
// SPDX-License-Identifier: Apache-2.0

#include "hb_apart_codecs.h"
#include "hb_codecs.h"
#include "hb_digits_codecs.h"
#include "hb_stream_codecs.h"

enum {
    WIDTH = 15, // bits of a row's head that are its width
    SMALL = 5   // bits of the codes whose products are made
};

// y[o] += the products of a column with codes of as many bits as head[o] says.
HB_APART void hb_add_column(int32_t *y, const struct hb_place *at,
                            const HB_ROM uint8_t *head, size_t n_out,
                            const int16_t *product)
{
    HB_OPEN(at);
    for (const int32_t *end = y + n_out; y < end; y++) {
        const uint8_t width = *head++ & WIDTH;
        if (width == 0) {
            continue;
        }
        HB_FILL(width);
        const int code = (int)((hb_signed_bits)window >> (WINDOW - width));
        HB_TAKE(width);
        *y += width <= SMALL ? product[DIGIT + code]
                             : hb_by_digits(product, code);
    }
}

void hb_linear_widths(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                      size_t n_in, size_t n_out)
{
    int16_t product[LEVELS];
    struct hb_place at = {w + n_out, 0};
    int32_t column = 0; // bits
    for (size_t o = 0; o < n_out; o++) {
        column += w[o] & WIDTH;
        y[o] = 0;
    }
    for (; n_in > 0; n_in--, x++, hb_move(&at, column)) {
        if (*x != 0) {
            hb_make_products(product, hb_digits, *x);
            hb_add_column(y, &at, w, n_out, product);
        }
    }
    for (size_t o = 0; o < n_out; o++) {
        y[o] = (int32_t)((uint32_t)y[o] << (w[o] >> 4));
    }
}
