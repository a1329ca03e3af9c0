// The layouts of the kernel variants, packed by the definitions of SPEC 4 bit
// by bit.
// SPDX-License-Identifier: Apache-2.0

#ifndef COLUMNS_H
#define COLUMNS_H

#include <stddef.h>
#include <stdint.h>

// Codes of n_out rows and n_in columns: code[o * n_in + i].
struct codes {
    const uint8_t *code;
    size_t n_out, n_in;
};

// Bytes that a packer may write, whatever the layout.
size_t columns_room(const struct codes *c);

// Codes of 1, 2 or 4 bits in columns, SPEC 4.3. Their bytes, a multiple of 4.
size_t columns_pack(uint8_t *w, const struct codes *c, unsigned bits);

// Blocks of outputs in columns of bytes, and the rows left over, SPEC 4.5.
// Their bytes.
size_t blocks_pack_8(uint8_t *w, const struct codes *c, unsigned bits);
size_t blocks_pack_4(uint8_t *w, const struct codes *c, unsigned bits);
size_t blocks_pack_halves(uint8_t *w, const struct codes *c, unsigned bits);
size_t blocks_pack_trits(uint8_t *w, const struct codes *c, unsigned bits);
size_t blocks_pack_bytes(uint8_t *w, const struct codes *c, unsigned bits);

// Ternary codes in columns, SPEC 4.4. `bits` does not matter.
size_t columns_pack_trits(uint8_t *w, const struct codes *c, unsigned bits);

// Codes of 8 bits in columns of 4 outputs, SPEC 4.3.
size_t columns_pack_8(uint8_t *w, const struct codes *c, unsigned bits);

// Codes of 5 bits, the lower 4 of them apart from the upper one, SPEC 4.3.
size_t columns_pack_4_and_1(uint8_t *w, const struct codes *c, unsigned bits);

#endif
