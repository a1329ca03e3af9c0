// The layouts of the kernel variants, packed by the definitions of SPEC 4 bit
// by bit.
// SPDX-License-Identifier: Apache-2.0

#include "columns.h"

#include <string.h>

size_t columns_room(const struct codes *c)
{
    return (c->n_in + 8) * (c->n_out + 8);
}

// `bits` bits of code (o, i) from bit `at` of w on.
static void put(uint8_t *w, size_t at, const struct codes *c, size_t o,
                size_t i, unsigned bits)
{
    for (unsigned b = 0; b < bits; b++) {
        const unsigned bit = (c->code[o * c->n_in + i] >> b) & 1u;
        w[(at + b) / 8] = (uint8_t)(w[(at + b) / 8] | bit << (at + b) % 8);
    }
}

size_t columns_pack(uint8_t *w, const struct codes *c, unsigned bits)
{
    memset(w, 0, columns_room(c));
    size_t o = 0;
    size_t at = 0; // the first bit of a block
    static const size_t columns[] = {32, 8};
    for (size_t k = 0; k < 2; k++) {
        const size_t column = columns[k];
        for (; (c->n_out - o) * bits >= column; o += column / bits) {
            for (size_t i = 0; i < c->n_in; i++) {
                for (size_t r = 0; r < column / bits; r++) {
                    put(w, at + i * column + r * bits, c, o + r, i, bits);
                }
            }
            at += c->n_in * column;
        }
    }
    for (; o < c->n_out; o++) {
        for (size_t i = 0; i < c->n_in; i++) {
            put(w, at + i * bits, c, o, i, bits);
        }
        at += (c->n_in * bits + 7) / 8 * 8;
    }
    return (at / 8 + 3) / 4 * 4;
}
