// hb_linear_huffman: columns of Huffman codes, at most 32 levels, SPEC 4.7.
// SPDX-License-Identifier: Apache-2.0
//
// A code, which has at most 7 bits, is found by the next 7 bits of the stream.
// For an activation that is not 0, the products with all levels are made at
// once, by additions where the levels are evenly spaced; then a weight costs a
// look at the code, one at the product and an addition.

#include "hb_apart_codecs.h"
#include "hb_codecs.h"
#include "hb_products_codecs.h"
#include "hb_stream_codecs.h"

enum {
    LONGEST = 7, // bits of a code
    TOGETHER = 3 // codes for which the window is filled: 3 * 7 <= 25 bits
};

struct hb_tables {
    uint8_t code[1 << LONGEST]; // by the next bits of the stream: number of the
                                // level << 3 | bits of its code
    int16_t product[LEVELS];    // of an activation and every level
};

// Of entries that fill the table. Returns what is behind them.
HB_APART const HB_ROM uint8_t *hb_make_codes(uint8_t *code,
                                             const HB_ROM uint8_t *entry)
{
    for (const uint8_t *end = code + (1 << LONGEST); code < end; entry++) {
        const uint8_t bits = *entry & 7;
        for (uint8_t k = (uint8_t)(1 << (LONGEST - bits)); k > 0; k--) {
            *code++ = *entry;
        }
    }
    return entry;
}

// Takes the next code from the window: its entry in the table.
#define HB_CODE(entry)                                                         \
    const uint8_t entry = t->code[window >> (32 - LONGEST)];                   \
    HB_TAKE(entry & 7)

// y[k] += the product of the level whose code is next.
#define HB_ADD(k)                                                              \
    do {                                                                       \
        HB_CODE(entry);                                                        \
        y[k] += t->product[entry >> 3];                                        \
    } while (0)

// y[o] += the products of a column. Goes behind it.
HB_APART void hb_add_column(int32_t *y, struct hb_place *at, size_t n_out,
                            const struct hb_tables *t)
{
    HB_OPEN(at);
    const int32_t *end = y + n_out;
    while (end - y >= TOGETHER) {
        HB_FILL(TOGETHER * LONGEST);
        HB_ADD(0);
        HB_ADD(1);
        HB_ADD(2);
        y += 3;
    }
    for (; y < end; y++) {
        HB_FILL(LONGEST);
        HB_ADD(0);
    }
    HB_CLOSE(at);
}

// The next `bits` bits, at most 16, as a number. Goes behind them.
HB_APART uint16_t hb_field(struct hb_place *at, uint8_t bits)
{
    HB_OPEN(at);
    HB_FILL(bits);
    const uint16_t field = (uint16_t)(window >> (32 - bits));
    HB_TAKE(bits);
    HB_CLOSE(at);
    return field;
}

void hb_linear_huffman(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                       size_t n_in, size_t n_out)
{
    struct hb_tables t;
    const uint8_t field = w[0];
    const uint16_t least = (uint16_t)(w[1] | w[2] << 8);
    const HB_ROM uint8_t *levels = w + 3;
    struct hb_place at = {hb_make_codes(t.code, hb_behind_levels(levels)), 0};
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    for (; n_in > 0; n_in--, x++) {
        const uint16_t more = field > 0 ? hb_field(&at, field) : 0;
        if (*x == 0) {
            hb_move(&at, (int32_t)least + more);
            continue;
        }
        hb_make_products(t.product, levels, *x);
        hb_add_column(y, &at, n_out, &t);
    }
}
