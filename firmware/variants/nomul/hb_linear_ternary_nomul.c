// hb_linear_ternary_nomul: 5 trits of 5 outputs in a byte, level = code - 1.
// SPDX-License-Identifier: Apache-2.0
//
// A table spreads a byte over lanes of 6 bits. A block of 10 outputs adds up
// those of each list, and from the highest plane down doubles its sums, in
// lanes of 12 and 16 bits, and adds them: 24 * 2 = 48 < 2^6 in a lane of 6
// bits, and twice the sizes of all digits of a chunk, at most 2 * (1876 + 170)
// < 2^12 in one of 12, as the digits of an input have at most 2 * 85 = 170.

#define LIST 24
#define STRIDE 2
#define MOST 2
#define STEP 1
#define OFFSET 1
#define HB_ROOM(digits) ((digits) <= 1876)
#include "hb_lists_nomul.h"

// Codes 0 ... 4 of a byte c0 + 3 c1 + 9 c2 + 27 c3 + 81 c4, 6 bits each.
#define HB_1(v) v, v + 1, v + 2
#define HB_2(v) HB_1(v), HB_1(v + 0x40), HB_1(v + 0x80)
#define HB_3(v) HB_2(v), HB_2(v + 0x1000), HB_2(v + 0x2000)
#define HB_4(v) HB_3(v), HB_3(v + 0x40000), HB_3(v + 0x80000)
#define HB_5(v) HB_4(v), HB_4(v + 0x1000000), HB_4(v + 0x2000000)
static const uint32_t hb_trits[243] = {HB_5(0)};

#define HB_TWOS 0x02082082u // every code 2

static inline void hb_put(int32_t *y, uint32_t sum, uint32_t offset)
{
    *y = (int32_t)((uint32_t)*y + sum - offset);
}

// y[0 ... 9] += the chunk's part of a block.
HB_APART void hb_block(int32_t *y, const uint8_t *w,
                       const struct hb_chunk *chunk)
{
    // Lanes of 12 bits: of codes 0 and 2, 1 and 3; of 16: of codes 4.
    uint32_t a02 = 0, a13 = 0, b02 = 0, b13 = 0, ab4 = 0;
    const struct hb_plane *p = chunk->plane + PLANES;
    while (p-- > chunk->plane) {
        uint32_t a = 0, b = 0; // of the first and of the second byte
        const uint16_t *i = p->minus;
        for (; i < p->input + LIST; i++) {
            const uint8_t *bytes = w + *i;
            a += HB_TWOS - hb_trits[bytes[0]];
            b += HB_TWOS - hb_trits[bytes[1]];
        }
        for (i = p->input; i < p->plus; i++) {
            const uint8_t *bytes = w + *i;
            a += hb_trits[bytes[0]];
            b += hb_trits[bytes[1]];
        }
        a02 = 2 * a02 + (a & 0x0003F03F);
        a13 = 2 * a13 + (a >> 6 & 0x0003F03F);
        b02 = 2 * b02 + (b & 0x0003F03F);
        b13 = 2 * b13 + (b >> 6 & 0x0003F03F);
        ab4 = 2 * ab4 + (a >> 24) + (b >> 24 << 16);
    }
    const uint32_t offset = chunk->offset;
    hb_put(y, a02 & 0xFFF, offset);
    hb_put(y + 1, a13 & 0xFFF, offset);
    hb_put(y + 2, a02 >> 12, offset);
    hb_put(y + 3, a13 >> 12, offset);
    hb_put(y + 4, ab4 & 0xFFFF, offset);
    hb_put(y + 5, b02 & 0xFFF, offset);
    hb_put(y + 6, b13 & 0xFFF, offset);
    hb_put(y + 7, b02 >> 12, offset);
    hb_put(y + 8, b13 >> 12, offset);
    hb_put(y + 9, ab4 >> 16, offset);
}

// y[0 ... 4] = the sums of outputs that have a byte for each input.
HB_APART void hb_column_of_bytes(int32_t *y, const int8_t *x, const uint8_t *w,
                                 size_t n_in)
{
    int32_t total = 0;
    for (size_t i = 0; i < n_in; i++) {
        const int32_t v = x[i];
        if (v == 0) {
            continue;
        }
        total += v;
        uint32_t codes = hb_trits[w[i]];
        for (int32_t *o = y; codes != 0; o++, codes >>= 6) {
            if (codes & 1) {
                *o += v;
            } else if (codes & 2) {
                *o += 2 * v;
            }
        }
    }
    for (size_t k = 0; k < 5; k++) {
        y[k] -= total;
    }
}

// The sum of an output whose codes are a row, SPEC 4.2; *row is then behind it.
HB_APART int32_t hb_row_sum(const int8_t *x, const uint8_t **row, size_t n_in)
{
    int32_t sum = 0;
    unsigned left = 0, byte = 0;
    for (const int8_t *end = x + n_in; x < end; x++, left--) {
        if (left == 0) {
            byte = *(*row)++;
            left = 5;
        }
        byte *= 3; // its upper bits are the code
        if (byte >> 8 == 0) {
            sum -= *x;
        } else if (byte >> 8 == 2) {
            sum += *x;
        }
        byte &= 255;
    }
    return sum;
}

void hb_linear_ternary_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                             size_t n_in, size_t n_out)
{
    struct hb_chunk chunk;
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    const uint8_t *rest = (const uint8_t *)w;
    size_t left = n_out;
    for (size_t i = 0; i < n_in;) {
        const size_t first = 2 * i;
        i = hb_list(&chunk, x, i, n_in);
        rest = (const uint8_t *)w;
        int32_t *out = y;
        for (left = n_out; left >= 10; left -= 10, out += 10) {
            hb_block(out, rest + first, &chunk);
            rest += 2 * n_in;
        }
    }
    y += n_out - left;
    for (; left >= 5; left -= 5, y += 5, rest += n_in) {
        hb_column_of_bytes(y, x, rest, n_in);
    }
    for (; left > 0; left--, y++) {
        *y = hb_row_sum(x, &rest, n_in);
    }
}
