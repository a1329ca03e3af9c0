// hb_linear_int8_nomul: levels of 8 bits in columns of 4 outputs.
// SPDX-License-Identifier: Apache-2.0
//
// A byte of a level, its upper bit inverted, is a code: level = code - 128. A
// block of 4 outputs doubles its sums, in lanes of 16 bits, for each of 4
// planes and adds up the codes of the list: 17 * 255 * (2^3 + ... + 2^0) =
// 65025 < 2^16.

#define LIST 17
#define STRIDE 4
#define MOST 255
#define STEP 1
#define OFFSET 128
#define HB_ROOM(digits) 1
#include "hb_lists_nomul.h"

// Sums of 4 codes: of 1 and 3 in lanes of 16 bits; in `all` those of 0 and 2
// with those of 1 and 3 above them, modulo 2^32.
struct hb_sums {
    uint32_t all, odd;
};

static inline struct hb_sums hb_sums_add(struct hb_sums s, uint32_t codes)
{
    s.all += codes;
    s.odd += codes >> 8 & 0x00FF00FF;
    return s;
}

// The sums of 4 planes, those below p, for the codes of a block.
HB_APART struct hb_sums hb_add_up(const uint32_t *w, const struct hb_plane *p)
{
    struct hb_sums s = {0, 0};
    for (const struct hb_plane *last = p - 4; p > last;) {
        p--;
        s.all *= 2;
        s.odd *= 2;
        const uint16_t *i = p->minus;
        for (; i < p->input + LIST; i++) {
            s = hb_sums_add(s, *hb_at(w, *i) ^ 0x7F7F7F7F);
        }
        for (i = p->input; i < p->plus; i++) {
            s = hb_sums_add(s, *hb_at(w, *i) ^ 0x80808080);
        }
    }
    return s;
}

// y[0], y[2] += 2^shift * the two sums of a word - offset
static inline void hb_flush(int32_t *y, uint32_t sums, unsigned shift,
                            uint32_t offset)
{
    y[0] = (int32_t)((uint32_t)y[0] + ((sums & 0xFFFF) << shift) - offset);
    y[2] = (int32_t)((uint32_t)y[2] + (sums >> 16 << shift) - offset);
}

// y[0 ... 3] += the chunk's part of a block.
HB_APART void hb_block(int32_t *y, const uint32_t *w,
                       const struct hb_chunk *chunk)
{
    struct hb_sums s = hb_add_up(w, chunk->plane + PLANES);
    hb_flush(y, s.all - (s.odd << 8), 4, chunk->offset);
    hb_flush(y + 1, s.odd, 4, chunk->offset);
    s = hb_add_up(w, chunk->plane + PLANES / 2);
    hb_flush(y, s.all - (s.odd << 8), 0, 0);
    hb_flush(y + 1, s.odd, 0, 0);
}

// The sum of an output whose levels are a row.
HB_APART int32_t hb_row_sum(const int8_t *x, const uint8_t *row, size_t n_in)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n_in; i++) {
        if (x[i] != 0) {
            sum += (int32_t)(int8_t)row[i] * x[i];
        }
    }
    return sum;
}

void hb_linear_int8_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                          size_t n_in, size_t n_out)
{
    struct hb_chunk chunk;
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    const size_t in_blocks = n_out & ~(size_t)3;
    for (size_t i = 0; i < n_in;) {
        const uint32_t *block = w + i;
        i = hb_list(&chunk, x, i, n_in);
        for (size_t o = 0; o < in_blocks; o += 4, block += n_in) {
            hb_block(y + o, block, &chunk);
        }
    }
    const uint8_t *row = (const uint8_t *)w + in_blocks * n_in;
    for (size_t o = in_blocks; o < n_out; o++, row += n_in) {
        y[o] = hb_row_sum(x, row, n_in);
    }
}
