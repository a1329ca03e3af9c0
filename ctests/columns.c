// The layouts of the kernel variants, packed by the definitions of SPEC 4 bit
// by bit.
// SPDX-License-Identifier: Apache-2.0

#include "columns.h"

#include "naive.h"

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

// `bits` bits of code (o, i), without the `below` lowest, from bit `at` on.
static void put_above(uint8_t *w, size_t at, const struct codes *c, size_t o,
                      size_t i, unsigned below, unsigned bits)
{
    const uint8_t code = (uint8_t)(c->code[o * c->n_in + i] >> below);
    const struct codes one = {&code, 1, 1};
    put(w, at, &one, 0, 0, bits);
}

// The rows from output o on, from byte `at` on; where they end.
static size_t put_rows(uint8_t *w, size_t at, const struct codes *c, size_t o,
                       unsigned bits)
{
    for (; o < c->n_out; o++, at += (c->n_in * bits + 7) / 8) {
        for (size_t i = 0; i < c->n_in; i++) {
            put(w, at * 8 + i * bits, c, o, i, bits);
        }
    }
    return at;
}

// Blocks of `size` outputs: all codes' `lower` bits, then what is above.
static size_t blocks_pack(uint8_t *w, const struct codes *c, size_t size,
                          unsigned lower, unsigned bits)
{
    memset(w, 0, columns_room(c));
    const size_t column = size * bits / 8;
    size_t at = 0;
    size_t o = 0;
    for (; c->n_out - o >= size; o += size) {
        for (size_t i = 0; i < c->n_in; i++, at += column) {
            for (size_t k = 0; k < size; k++) {
                put(w, at * 8 + k * lower, c, o + k, i, lower);
                put_above(w, at * 8 + size * lower + k * (bits - lower), c,
                          o + k, i, lower, bits - lower);
            }
        }
    }
    return put_rows(w, at, c, o, bits);
}

size_t blocks_pack_8(uint8_t *w, const struct codes *c, unsigned bits)
{
    return blocks_pack(w, c, 8, bits, bits);
}

size_t blocks_pack_4(uint8_t *w, const struct codes *c, unsigned bits)
{
    return blocks_pack(w, c, 4, bits, bits);
}

size_t blocks_pack_halves(uint8_t *w, const struct codes *c, unsigned bits)
{
    return blocks_pack(w, c, 8, 4, bits);
}

size_t blocks_pack_bytes(uint8_t *w, const struct codes *c, unsigned bits)
{
    const size_t size = blocks_pack(w, c, 4, bits, bits);
    for (size_t k = 0; k < c->n_out / 4 * 4 * c->n_in; k++) {
        w[k] = (uint8_t)(w[k] + 128);
    }
    return size;
}

// Up to five trits, `step` codes apart, as a byte.
static uint8_t trits(const uint8_t *code, size_t n, size_t step)
{
    unsigned v = 0;
    for (size_t k = 0; k < 5; k++) {
        v = 3 * v + (k < n ? code[k * step] : 0);
    }
    return (uint8_t)((256 * v + 242) / 243);
}

size_t blocks_pack_trits(uint8_t *w, const struct codes *c, unsigned bits)
{
    (void)bits;
    size_t at = 0;
    size_t o = 0;
    for (; c->n_out - o >= 10; o += 10) {
        for (size_t i = 0; i < c->n_in; i++) {
            const uint8_t *code = c->code + o * c->n_in + i;
            w[at++] = trits(code, 5, c->n_in);
            w[at++] = trits(code + 5 * c->n_in, 5, c->n_in);
        }
    }
    for (; o < c->n_out; o++) {
        for (size_t i = 0; i < c->n_in; i += 5) {
            w[at++] = trits(c->code + o * c->n_in + i, c->n_in - i, 1);
        }
    }
    return at;
}

// Five ternary codes from output o on.
static uint8_t five_trits(const struct codes *c, size_t o, size_t i)
{
    unsigned v = 0;
    for (size_t k = 5; k-- > 0;) {
        v = 3 * v + c->code[(o + k) * c->n_in + i];
    }
    return (uint8_t)v;
}

size_t columns_pack_trits(uint8_t *w, const struct codes *c, unsigned bits)
{
    const uint8_t *begin = w;
    size_t o = 0;
    (void)bits;
    memset(w, 0, columns_room(c));
    for (; c->n_out - o >= 10; o += 10) {
        for (size_t i = 0; i < c->n_in; i++) {
            *w++ = five_trits(c, o, i);
            *w++ = five_trits(c, o + 5, i);
        }
    }
    for (; c->n_out - o >= 5; o += 5) {
        for (size_t i = 0; i < c->n_in; i++) {
            *w++ = five_trits(c, o, i);
        }
    }
    for (; o < c->n_out; o++) {
        naive_pack(w, &formats[1], c->code + o * c->n_in, c->n_in, true);
        w += (c->n_in + 4) / 5;
    }
    return ((size_t)(w - begin) + 3) / 4 * 4;
}

// Up from byte `at`.
static size_t whole_words(size_t at)
{
    return (at + 3) / 4 * 4;
}

size_t columns_pack_8(uint8_t *w, const struct codes *c, unsigned bits)
{
    memset(w, 0, columns_room(c));
    size_t at = 0;
    size_t o = 0;
    for (; c->n_out - o >= 4; o += 4) {
        for (size_t i = 0; i < c->n_in; i++) {
            for (size_t k = 0; k < 4; k++) {
                w[at++] = c->code[(o + k) * c->n_in + i];
            }
        }
    }
    return whole_words(put_rows(w, at, c, o, bits));
}

size_t columns_pack_4_and_1(uint8_t *w, const struct codes *c, unsigned bits)
{
    memset(w, 0, columns_room(c));
    const size_t whole = c->n_out / 8 * 8;
    const size_t upper = whole / 2 * c->n_in; // the first byte of upper bits
    for (size_t o = 0; o < whole; o++) {
        for (size_t i = 0; i < c->n_in; i++) {
            const size_t column = o / 8 * c->n_in + i;
            put(w, 32 * column + o % 8 * 4, c, o, i, 4);
            put_above(w, 8 * (upper + column) + o % 8, c, o, i, 4, 1);
        }
    }
    return whole_words(
        put_rows(w, upper + whole / 8 * c->n_in, c, whole, bits));
}
