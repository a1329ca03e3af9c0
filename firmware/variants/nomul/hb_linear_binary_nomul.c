// hb_linear_binary_nomul: codes of 1 bit in columns, level = 2 * code - 1.
// SPDX-License-Identifier: Apache-2.0
//
// Every block of 32 outputs adds up the codes of each list in lanes of 4 bits,
// and doubles and adds those in lanes of 8 bits for 4 planes at a time:
// 15 < 2^4 in a lane of 4 bits, and 15 * (2^3 + ... + 2^0) = 225 < 2^8 in one
// of 8.

#define LIST 15
#define STRIDE 4
#define MOST 1
#define STEP 2
#define OFFSET 1
#define HB_ROOM(digits) 1
#include "hb_lists_nomul.h"

// Sums of 32 codes in lanes of 4 bits: s1 of codes 1, 5, ..., s2 of 2, 6, ...,
// s3 of 3, 7, ...; in `all` those of codes 0, 4, ... with all others above.
struct hb_lanes {
    uint32_t all, s1, s2, s3;
};

static inline struct hb_lanes hb_lanes_add(struct hb_lanes s, uint32_t codes)
{
    s.all += codes;
    s.s1 += codes >> 1 & 0x11111111;
    s.s2 += codes >> 2 & 0x11111111;
    s.s3 += codes >> 3 & 0x11111111;
    return s;
}

// sums = 2 * sums + lanes, those of codes k, k + 8, ... in sums[k].
static inline void hb_double_and_add(uint32_t *sums, struct hb_lanes s)
{
    const uint32_t s0 = s.all - 2 * s.s1 - 4 * s.s2 - 8 * s.s3;
    sums[0] = 2 * sums[0] + (s0 & 0x0F0F0F0F);
    sums[1] = 2 * sums[1] + (s.s1 & 0x0F0F0F0F);
    sums[2] = 2 * sums[2] + (s.s2 & 0x0F0F0F0F);
    sums[3] = 2 * sums[3] + (s.s3 & 0x0F0F0F0F);
    sums[4] = 2 * sums[4] + (s0 >> 4 & 0x0F0F0F0F);
    sums[5] = 2 * sums[5] + (s.s1 >> 4 & 0x0F0F0F0F);
    sums[6] = 2 * sums[6] + (s.s2 >> 4 & 0x0F0F0F0F);
    sums[7] = 2 * sums[7] + (s.s3 >> 4 & 0x0F0F0F0F);
}

// sums[half] of planes 4 * half ... 4 * half + 3, for the codes of a block.
HB_APART void hb_add_up(uint32_t sums[2][8], const uint32_t *w,
                        const struct hb_plane *planes)
{
    const struct hb_plane *p = planes + PLANES;
    for (uint32_t *half = sums[2]; half > sums[0];) {
        half -= 8;
        for (int k = 0; k < 8; k++) {
            half[k] = 0;
        }
        for (const struct hb_plane *last = p - 4; p > last;) {
            p--;
            struct hb_lanes s = {0, 0, 0, 0};
            const uint16_t *i = p->minus;
            for (; i < p->input + LIST; i++) {
                s = hb_lanes_add(s, ~*hb_at(w, *i));
            }
            for (i = p->input; i < p->plus; i++) {
                s = hb_lanes_add(s, *hb_at(w, *i));
            }
            hb_double_and_add(half, s);
        }
    }
}

// y[0 ... 31] += the chunk's part of a block.
HB_APART void hb_block(int32_t *y, const uint32_t *w,
                       const struct hb_chunk *chunk)
{
    uint32_t sums[2][8];
    hb_add_up(sums, w, chunk->plane);
    const uint32_t offset = chunk->offset;
    for (int k = 0; k < 8; k++, y++) {
        uint32_t low = sums[0][k], high = sums[1][k];
        for (int32_t *o = y; o < y + 32; o += 8) {
            const uint32_t sum = (low & 0xFF) + 16 * (high & 0xFF);
            *o = (int32_t)((uint32_t)*o + STEP * sum - offset);
            low >>= 8;
            high >>= 8;
        }
    }
}

// y[0 ... 7] = the sums of outputs that have a byte for each input.
HB_APART void hb_column_of_bytes(int32_t *y, const int8_t *x, const uint8_t *w,
                                 size_t n_in)
{
    int32_t total = 0;
    for (const int8_t *end = x + n_in; x < end; x++, w++) {
        const int32_t v = *x;
        if (v == 0) {
            continue;
        }
        total += v;
        int32_t *o = y;
        for (unsigned codes = *w; codes != 0; codes >>= 1, o++) {
            if (codes & 1) {
                *o += v;
            }
        }
    }
    for (size_t k = 0; k < 8; k++) {
        y[k] = STEP * y[k] - OFFSET * total;
    }
}

// The sum of an output whose codes are a row.
HB_APART int32_t hb_row_sum(const int8_t *x, const uint8_t *row, size_t n_in)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n_in; i++) {
        const int32_t v = x[i];
        if (v != 0) {
            sum += row[i / 8] >> (i % 8) & 1 ? v : -v;
        }
    }
    return sum;
}

void hb_linear_binary_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                            size_t n_in, size_t n_out)
{
    struct hb_chunk chunk;
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    const size_t in_blocks = n_out & ~(size_t)31;
    for (size_t i = 0; i < n_in;) {
        const uint32_t *block = w + i;
        i = hb_list(&chunk, x, i, n_in);
        for (size_t o = 0; o < in_blocks; o += 32, block += n_in) {
            hb_block(y + o, block, &chunk);
        }
    }
    const uint8_t *rest = (const uint8_t *)w + in_blocks / 8 * n_in;
    size_t o = in_blocks;
    for (; n_out - o >= 8; o += 8, rest += n_in) {
        hb_column_of_bytes(y + o, x, rest, n_in);
    }
    for (; o < n_out; o++, rest += (n_in + 7) / 8) {
        y[o] = hb_row_sum(x, rest, n_in);
    }
}
