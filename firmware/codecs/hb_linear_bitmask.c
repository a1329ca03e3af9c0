// hb_linear_bitmask: columns of a bit for each output and codes of what is not
// 0, SPEC 4.8.
// SPDX-License-Identifier: Apache-2.0

#include "hb_apart_codecs.h"
#include "hb_codecs.h"
#include "hb_digits_codecs.h"
#include "hb_products_codecs.h"
#include "hb_stream_codecs.h"

// y[o] += the products of a column: of every bit of its mask that is 1, with a
// code at the top of the window. Goes behind its codes.
#define HB_ADD_COLUMN(PRODUCT)                                                 \
    HB_OPEN(at);                                                               \
    for (size_t left = (n_out + 7) >> 3; left > 0; left--, y += 8) {           \
        int32_t *to = y;                                                       \
        for (uint8_t bits = *mask++; bits != 0; bits >>= 1, to++) {            \
            if ((bits & 1) != 0) {                                             \
                HB_FILL(width);                                                \
                *to += (PRODUCT);                                              \
                HB_TAKE(width);                                                \
            }                                                                  \
        }                                                                      \
    }                                                                          \
    HB_CLOSE(at)

// Codes are numbers of levels.
HB_APART void hb_add_numbers(int32_t *y, const HB_ROM uint8_t *mask,
                             size_t n_out, struct hb_place *at, uint8_t width,
                             const int16_t *product)
{
    HB_ADD_COLUMN(product[window >> (WINDOW - width)]);
}

// Codes are levels.
HB_APART void hb_add_levels(int32_t *y, const HB_ROM uint8_t *mask,
                            size_t n_out, struct hb_place *at, uint8_t width,
                            const int16_t *product)
{
    HB_ADD_COLUMN(hb_by_digits(
        product, (int)((hb_signed_bits)window >> (WINDOW - width))));
}

// Bits that are 1 in n bytes.
HB_APART size_t hb_count(const HB_ROM uint8_t *mask, size_t n)
{
    size_t count = 0;
    for (; n > 0; n--) {
        uint8_t m = *mask++;
        m = (uint8_t)(m - (m >> 1 & 0x55));
        m = (uint8_t)((m & 0x33) + (m >> 2 & 0x33));
        count += (m + (m >> 4)) & 15;
    }
    return count;
}

void hb_linear_bitmask(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                       size_t n_in, size_t n_out)
{
    int16_t product[LEVELS];
    const size_t row = (n_out + 7) >> 3;
    const uint8_t width = w[0];
    const HB_ROM uint8_t *levels = w + 1, *mask = hb_behind_levels(levels);
    const int numbers = levels[0] > 0;
    struct hb_place at = {mask + n_in * row, 0};
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    for (; n_in > 0; n_in--, x++, mask += row) {
        if (*x == 0) {
            hb_move(&at, (int32_t)width * (int32_t)hb_count(mask, row));
            continue;
        }
        hb_make_products(product, numbers ? levels : hb_digits, *x);
        if (numbers) {
            hb_add_numbers(y, mask, n_out, &at, width, product);
        } else {
            hb_add_levels(y, mask, n_out, &at, width, product);
        }
    }
}
