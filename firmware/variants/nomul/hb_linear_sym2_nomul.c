// hb_linear_sym2_nomul: codes of 2 bits in columns, level = 2 * code - 3.
// SPDX-License-Identifier: Apache-2.0
//
// An activation is a sum of few digits +-2^plane, no two of them in
// neighbouring planes (its non-adjacent form). The 16 codes of an input are
// spread over lanes of 8 bits once, and the lanes added to, or taken from, the
// sums of every plane where it has a digit. In the end, from the highest plane
// down, sums in lanes of 16 bits are doubled, and those of the plane added.

#include "hb_apart_nomul.h"
#include "hb_nomul.h"

enum {
    PLANES = 8,
    SPREAD = 4,  // words with the lanes of a word of codes
    INPUTS = 85, // of a chunk, none of them 0: 85 * 3 = 255 < 2^8
};

struct hb_plane {
    uint32_t lanes[SPREAD]; // what was taken from them makes them wrap around,
    uint32_t minus;         // until this is added, 3 for each digit -1
};

// Adds x times the codes of a word; x is not 0.
static inline void hb_add_input(struct hb_plane *p, int32_t x, uint32_t codes)
{
    const uint32_t v0 = codes & 0x03030303, v1 = codes >> 2 & 0x03030303;
    const uint32_t v2 = codes >> 4 & 0x03030303, v3 = codes >> 6 & 0x03030303;
    for (;; p += 2) {
        for (; (x & 1) == 0; x >>= 1) {
            p++;
        }
        if ((x & 2) == 0) {
            p->lanes[0] += v0;
            p->lanes[1] += v1;
            p->lanes[2] += v2;
            p->lanes[3] += v3;
        } else {
            p->lanes[0] -= v0;
            p->lanes[1] -= v1;
            p->lanes[2] -= v2;
            p->lanes[3] -= v3;
            p->minus += 0x03030303;
            x++;
        }
        x >>= 2;
        if (x == 0) {
            return;
        }
    }
}

// Adds inputs that are not 0 to planes, from x on, until they are INPUTS or x
// is `end`. Returns the first that is not added; *total is their sum.
HB_APART const int8_t *hb_chunk(struct hb_plane *planes, int32_t *total,
                                const int8_t *x, const int8_t *end,
                                const uint32_t *w)
{
    for (uint32_t *p = planes->lanes; p < planes[PLANES].lanes; p++) {
        *p = 0;
    }
    const int8_t *first = x;
    int32_t sum = 0;
    int left = INPUTS;
    while (x < end) {
        const int32_t v = *x++;
        if (v != 0) {
            hb_add_input(planes, v, w[x - first - 1]);
            sum += v;
            if (--left == 0) {
                break;
            }
        }
    }
    *total = sum;
    return x;
}

// y[4 * byte + k] += 2 * (sum of 2^plane * lanes[k]) - 3 * total, which 3 for
// each digit -1 has been added to.
HB_APART void hb_finish(int32_t *y, const struct hb_plane *planes,
                        int32_t total)
{
    uint32_t offset = 0;
    for (const struct hb_plane *p = planes + PLANES; p-- > planes;) {
        offset = 2 * offset + (p->minus & 0xFF);
    }
    offset = 2 * offset + 3 * (uint32_t)total;
    for (int k = 0; k < SPREAD; k++, y++) {
        // Lanes of 16 bits, at most 85 * 3 * 2^7 = 32640 < 2^16, as no input
        // has digits of one sign that add up to more than 2^7. Those of even
        // bytes are with those of odd ones above them, modulo 2^32.
        uint32_t even = 0, odd = 0;
        for (const struct hb_plane *p = planes + PLANES; p-- > planes;) {
            const uint32_t lanes = p->lanes[k] + p->minus;
            even = 2 * even + lanes;
            odd = 2 * odd + (lanes >> 8 & 0x00FF00FF);
        }
        even -= odd << 8;
        y[0] = (int32_t)((uint32_t)y[0] + 2 * (even & 0xFFFF) - offset);
        y[4] = (int32_t)((uint32_t)y[4] + 2 * (odd & 0xFFFF) - offset);
        y[8] = (int32_t)((uint32_t)y[8] + 2 * (even >> 16) - offset);
        y[12] = (int32_t)((uint32_t)y[12] + 2 * (odd >> 16) - offset);
    }
}

// y[0 ... 3] = the sums of outputs that have a byte for each input.
HB_APART void hb_column_of_bytes(int32_t *y, const int8_t *x, const uint8_t *w,
                                 size_t n_in)
{
    y[0] = y[1] = y[2] = y[3] = 0;
    int32_t total = 0;
    for (const int8_t *end = x + n_in; x < end; x++, w++) {
        const int32_t v = *x;
        if (v == 0) {
            continue;
        }
        total += v;
        int32_t *o = y;
        for (unsigned codes = *w; codes != 0; codes >>= 2, o++) {
            if (codes & 1) {
                *o += v;
            }
            if (codes & 2) {
                *o += 2 * v;
            }
        }
    }
    total *= 3;
    for (size_t k = 0; k < 4; k++) {
        y[k] = 2 * y[k] - total;
    }
}

// The sum of an output whose codes are a row.
HB_APART int32_t hb_row_sum(const int8_t *x, const uint8_t *row, size_t n_in)
{
    int32_t sum = 0, total = 0;
    for (size_t i = 0; i < n_in; i++) {
        const int32_t v = x[i];
        if (v != 0) {
            const int code = row[i / 4] >> (i % 4 * 2);
            total += v;
            sum += code & 1 ? v : 0;
            sum += code & 2 ? 2 * v : 0;
        }
    }
    return 2 * sum - 3 * total;
}

void hb_linear_sym2_nomul(int32_t *y, const int8_t *x, const uint32_t *w,
                          size_t n_in, size_t n_out)
{
    size_t o = 0;
    for (; n_out - o >= 16; o += 16, w += n_in) {
        for (size_t k = o; k < o + 16; k++) {
            y[k] = 0;
        }
        for (const int8_t *next = x; next < x + n_in;) {
            struct hb_plane planes[PLANES];
            int32_t total;
            const uint32_t *from = w + (next - x);
            next = hb_chunk(planes, &total, next, x + n_in, from);
            hb_finish(y + o, planes, total);
        }
    }
    const uint8_t *rest = (const uint8_t *)w;
    for (; n_out - o >= 4; o += 4, rest += n_in) {
        hb_column_of_bytes(y + o, x, rest, n_in);
    }
    for (; o < n_out; o++, rest += (n_in + 3) / 4) {
        y[o] = hb_row_sum(x, rest, n_in);
    }
}
