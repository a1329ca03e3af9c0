// Huffman codes of levels in a stream, SPEC 4.7.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_HUFFMAN_CODECS_H
#define HB_HUFFMAN_CODECS_H

#include "hb_apart_codecs.h"
#include "hb_codecs.h"
#include "hb_products_codecs.h"
#include "hb_stream_codecs.h"

enum { LONGEST = 7 }; // bits of a code

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
    const uint8_t entry = t->code[window >> (WINDOW - LONGEST)];               \
    HB_TAKE(entry & 7)

// The next `bits` bits, at most 16, as a number. Goes behind them.
HB_APART uint16_t hb_field(struct hb_place *at, uint8_t bits)
{
    uint16_t field = 0;
    HB_OPEN(at);
#ifdef HB_NARROW
    if (bits > 8) {
        bits = (uint8_t)(bits - 8);
        HB_FILL(8);
        field = (uint16_t)(window >> (WINDOW - 8) << bits);
        HB_TAKE(8);
    }
#endif
    HB_FILL(bits);
    field = (uint16_t)(field | window >> (WINDOW - bits));
    HB_TAKE(bits);
    HB_CLOSE(at);
    return field;
}

#endif
