// hb_linear_huffman: columns of Huffman codes, at most 32 levels, SPEC 4.6.
// SPDX-License-Identifier: Apache-2.0
//
// A code, which has at most 7 bits, is found by the next 7 bits of the stream.
// For an activation that is not 0, the products with all levels are made at
// once, by additions where the levels are evenly spaced; then a weight costs a
// look at the code, one at the product and an addition.

#include "hb_apart_codecs.h"
#include "hb_codecs.h"

enum {
    LONGEST = 7, // bits of a code
    LEVELS = 32,
    TOGETHER = 3 // codes for which the window is filled: 3 * 7 <= 25 bits
};

struct hb_tables {
    uint8_t code[1 << LONGEST]; // by the next bits of the stream: number of the
                                // level << 3 | bits of its code
    int16_t product[LEVELS];    // of an activation and every level
};

// Where the next bit of a stream is.
struct hb_place {
    const HB_ROM uint8_t *w;
    uint8_t bit; // 0 the highest, 7 the lowest
};

static void hb_move(struct hb_place *at, int32_t bits)
{
    bits += at->bit;
    at->w += bits >> 3;
    at->bit = bits & 7;
}

HB_APART void hb_make_codes(uint8_t *code, const HB_ROM uint8_t *entry,
                            uint8_t n)
{
    for (; n > 0; n--, entry++) {
        const uint8_t bits = *entry & 7;
        for (uint8_t k = (uint8_t)(1 << (LONGEST - bits)); k > 0; k--) {
            *code++ = *entry;
        }
    }
}

// The product, made bit by bit where the core has no multiplier: of `by`, which
// is small.
HB_APART int16_t hb_times(uint8_t by, int8_t x)
{
    return (int16_t)(by * x);
}

HB_APART void hb_make_products(int16_t *product, const HB_ROM uint8_t *level,
                               uint8_t n, int8_t x)
{
    const int16_t least = (int8_t)*level;
    int16_t step = 0, p = least < 0 ? (int16_t)-hb_times((uint8_t)-least, x)
                                    : hb_times((uint8_t)least, x);
    uint8_t apart = 0;
    const int16_t *end = product + n;
    for (;;) {
        *product++ = p;
        if (product == end) {
            return;
        }
        const uint8_t d = (uint8_t)(level[1] - level[0]);
        level++;
        if (d != apart) {
            apart = d;
            step = hb_times(d, x);
        }
        p = (int16_t)(p + step);
    }
}

// Takes the next code from the window: its entry in the table.
#define HB_CODE(entry)                                                         \
    const uint8_t entry = t->code[window >> (32 - LONGEST)];                   \
    window <<= entry & 7;                                                      \
    have -= entry & 7

// y[k] += the product of the level whose code is next.
#define HB_ADD(k)                                                              \
    do {                                                                       \
        HB_CODE(entry);                                                        \
        y[k] += t->product[entry >> 3];                                        \
    } while (0)

// The window has its bits at the top, `have` of them: makes them enough.
#define HB_FILL(enough)                                                        \
    for (; have < (enough); have += 8) {                                       \
        window |= (uint32_t)*w++ << (24 - have);                               \
    }

// y[o] += the products of a column. Goes behind it.
HB_APART void hb_add_column(int32_t *y, struct hb_place *at, size_t n_out,
                            const struct hb_tables *t)
{
    const HB_ROM uint8_t *w = at->w;
    uint32_t window = (uint32_t)*w++ << 24 << at->bit;
    int have = 8 - at->bit;
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
    at->w = w;
    at->bit = 0;
    hb_move(at, -have);
}

// Goes behind a column.
HB_APART void hb_pass_column(struct hb_place *at, size_t n_out,
                             const struct hb_tables *t)
{
    const HB_ROM uint8_t *w = at->w;
    uint32_t window = (uint32_t)*w++ << 24 << at->bit;
    int have = 8 - at->bit;
    for (; n_out > 0; n_out--) {
        HB_FILL(LONGEST);
        HB_CODE(entry);
    }
    at->w = w;
    at->bit = 0;
    hb_move(at, -have);
}

// The next `bits` bits, at most 16, as a number. Goes behind them.
HB_APART uint16_t hb_field(struct hb_place *at, uint8_t bits)
{
    uint32_t window = (uint32_t)at->w[0] << 16 | (uint32_t)at->w[1] << 8;
    window |= at->w[2];
    window = (window << at->bit & 0xffffff) >> (24 - bits);
    hb_move(at, bits);
    return (uint16_t)window;
}

void hb_linear_huffman(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                       size_t n_in, size_t n_out)
{
    struct hb_tables t;
    const uint8_t n = w[0], field = w[1];
    const uint16_t least = (uint16_t)(w[2] | w[3] << 8);
    const HB_ROM uint8_t *level = w + 4;
    struct hb_place at = {level + 2 * n, 0};
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    hb_make_codes(t.code, level + n, n);
    for (; n_in > 0; n_in--, x++) {
        const uint16_t more = field > 0 ? hb_field(&at, field) : 0;
        if (*x != 0) {
            hb_make_products(t.product, level, n, *x);
            hb_add_column(y, &at, n_out, &t);
        } else if (field > 0) {
            hb_move(&at, (int32_t)least + more);
        } else {
            hb_pass_column(&at, n_out, &t);
        }
    }
}
