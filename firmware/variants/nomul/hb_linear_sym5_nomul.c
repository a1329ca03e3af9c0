// hb_linear_sym5_nomul: the lower 4 bits and the upper bit of codes in columns.
// SPDX-License-Identifier: Apache-2.0
//
// level = 2 * (low + 16 * up) - 31, and for a digit -1 what is missing of both.
// The upper bits of a block of 8 outputs are doubled, in lanes of 8 bits, for
// each of 4 planes, and those of the list added: 17 * (2^3 + ... + 2^0) = 255
// < 2^8.

#define LIST 17
#define STRIDE 4
#define MOST 31
#define STEP 2
#define OFFSET 31
#define HB_ROOM(digits) 1
#include "hb_lists_nomul.h"

#include "hb_nibbles_nomul.h"

// Sums of bits 0, 2, 4, 6 and of 1, 3, 5, 7.
struct hb_bits {
    uint32_t even, odd;
};

static inline struct hb_bits hb_bits_add(struct hb_bits s, uint32_t byte)
{
    byte |= byte << 6;
    byte |= byte << 12;
    s.even += byte & 0x01010101;
    s.odd += byte >> 1 & 0x01010101;
    return s;
}

// The sums of 4 planes, those below p.
HB_APART struct hb_bits hb_add_up(const uint8_t *upper,
                                  const struct hb_plane *p)
{
    struct hb_bits s = {0, 0};
    for (const struct hb_plane *last = p - 4; p > last;) {
        p--;
        s.even *= 2;
        s.odd *= 2;
        const uint16_t *i = p->minus;
        for (; i < p->input + LIST; i++) {
            s = hb_bits_add(s, upper[*i / STRIDE] ^ 0xFFu);
        }
        for (i = p->input; i < p->plus; i++) {
            s = hb_bits_add(s, upper[*i / STRIDE]);
        }
    }
    return s;
}

// y[0], y[2], y[4], y[6] += 32 * (low + 16 * high)
static inline void hb_put(int32_t *y, uint32_t low, uint32_t high)
{
    for (int32_t *o = y; o < y + 8; o += 2) {
        const uint32_t sum = (low & 0xFF) + 16 * (high & 0xFF);
        *o = (int32_t)((uint32_t)*o + 32 * sum);
        low >>= 8;
        high >>= 8;
    }
}

// y[0 ... 7] += what upper bits are in the chunk's part of a block.
HB_APART void hb_upper(int32_t *y, const uint8_t *upper,
                       const struct hb_chunk *chunk)
{
    const struct hb_bits high = hb_add_up(upper, chunk->plane + PLANES);
    const struct hb_bits low = hb_add_up(upper, chunk->plane + PLANES / 2);
    hb_put(y, low.even, high.even);
    hb_put(y + 1, low.odd, high.odd);
}

// The sum of an output whose codes are a row.
HB_APART int32_t hb_row_sum(const int8_t *x, const uint8_t *row, size_t n_in)
{
    int32_t sum = 0;
    unsigned bits = 0, left = 0; // of the row, not yet used
    for (const int8_t *end = x + n_in; x < end; x++) {
        if (left < 5) {
            bits |= (unsigned)*row++ << left;
            left += 8;
        }
        if (*x != 0) {
            sum += (STEP * (int32_t)(bits & 31) - OFFSET) * *x;
        }
        bits >>= 5;
        left -= 5;
    }
    return sum;
}

void hb_linear_sym5_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                          size_t n_in, size_t n_out)
{
    struct hb_chunk chunk;
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    const size_t in_blocks = n_out & ~(size_t)7;
    const uint8_t *const upper = (const uint8_t *)(w + in_blocks / 8 * n_in);
    for (size_t i = 0; i < n_in;) {
        const uint32_t *block = w + i;
        const uint8_t *column = upper + i;
        i = hb_list(&chunk, x, i, n_in);
        for (size_t o = 0; o < in_blocks; o += 8) {
            hb_block(y + o, block, &chunk);
            hb_upper(y + o, column, &chunk);
            block += n_in;
            column += n_in;
        }
    }
    const uint8_t *row = upper + in_blocks / 8 * n_in;
    for (size_t o = in_blocks; o < n_out; o++, row += (5 * n_in + 7) / 8) {
        y[o] = hb_row_sum(x, row, n_in);
    }
}
