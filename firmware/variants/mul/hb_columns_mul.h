// The linear kernel of codes in columns; each hb_linear_<format>_mul.c includes
// it and defines HB_LINEAR, its name, BITS of a code, and STEP and OFFSET:
// level = STEP * code - OFFSET.
// SPDX-License-Identifier: Apache-2.0
//
// Inputs that are 0 cost nothing but a look at them: up to HB_ENTRIES others
// are listed, then the codes of every few outputs run through the list with
// their sums in registers, two of them in the halves of a word.

#include "hb_products_mul.h"

enum {
    HB_CODE = (1 << BITS) - 1, // the largest
    HB_ENTRIES = BITS == 4 ? 34 : 48,
    HB_PART = 4 * BITS, // bits of a half that are added up at a time
    HB_HALF = 16 / BITS // outputs of a half
};

// To each sum in a half is added HB_CODE times the sum of |x| over x < 0. So
// it lies between 0 and HB_CODE times the sum of all |x|, and neither borrows
// from the half above nor carries into it.
typedef char hb_a_half_holds_the_sums
    [HB_CODE * INT32_C(127) * HB_ENTRIES < INT32_C(65536) ? 1 : -1];

static inline void hb_put_halves(int32_t *y, uint32_t sums, struct hb_result r)
{
    hb_put(y, STEP * (int32_t)(sums & 0xffff), r);
    hb_put(y + HB_HALF, STEP * (int32_t)(sums >> 16), r);
}

// 4 outputs of either half of the words, which begin at bit `shift` of it.
static void hb_block(int32_t *y, const uint32_t *w, const struct hb_entry *e,
                     const struct hb_list *list, unsigned shift,
                     struct hb_result r)
{
    const uint32_t bias = list->negative * HB_MASK;
    struct hb_sums s = {bias, bias, bias, bias};
    if (e != list->end) {
        hb_products(&s, w, e, list->end, shift);
    }
    if (BITS == 4) { // mod 2^32, which is exact: what is left fits
        s.s0 -=
            ((s.s1 - bias) << 4) + ((s.s2 - bias) << 8) + ((s.s3 - bias) << 12);
    }
    r.rest -= STEP * (int32_t)(HB_CODE * list->negative);
    hb_put_halves(y, s.s0, r);
    hb_put_halves(y + 1, s.s1, r);
    hb_put_halves(y + 2, s.s2, r);
    hb_put_halves(y + 3, s.s3, r);
}

// The outputs of a column of bytes, 4 at most, from bit `shift` of it on: sums
// of all of the byte from there on, of all but its lowest code, and so on. Each
// is below 2^8 * 127 * 48, which is below 2^21.
static void hb_bytes(int32_t *y, const uint8_t *w, const struct hb_entry *e,
                     const struct hb_list *list, unsigned shift,
                     struct hb_result r)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (; e != list->end; e++) {
        int32_t c = w[e->at / 4] >> shift;
        if (BITS == 1) {
            c &= 15;
        }
        s0 += c * e->x;
        s1 += (c >> BITS) * e->x;
        s2 += (c >> 2 * BITS) * e->x;
        s3 += (c >> 3 * BITS) * e->x;
    }
    hb_put(y, STEP * (s0 - s1 * (1 << BITS)), r);
    hb_put(y + 1, STEP * (s1 - s2 * (1 << BITS)), r);
    if (BITS < 4) {
        hb_put(y + 2, STEP * (s2 - s3 * (1 << BITS)), r);
        hb_put(y + 3, STEP * s3, r);
    }
}

// The output of a row.
static void hb_row_of(int32_t *y, const uint8_t *w, const struct hb_entry *e,
                      const struct hb_list *list, struct hb_result r)
{
    int32_t s = 0;
    for (; e != list->end; e++) {
        const uint32_t bit = e->at / 4 * BITS;
        s += (w[bit / 8] >> (bit % 8) & HB_CODE) * e->x;
    }
    hb_put(y, STEP * s, r);
}

void HB_LINEAR(int32_t *y, const int8_t *x, const uint32_t *w, size_t n_in,
               size_t n_out)
{
    struct hb_entry entries[HB_ENTRIES];
    size_t next = 0;
    struct hb_result r = {0, 1};
    do {
        const struct hb_list list =
            hb_list(entries, HB_ENTRIES, 4, x, n_in, &next);
        r.rest = -OFFSET * list.sum;
        size_t o = 0;
        const uint32_t *block = w;
        for (; n_out - o >= 32 / BITS; o += 32 / BITS, block += n_in) {
            for (unsigned shift = 0; shift < 16; shift += HB_PART) {
                hb_block(y + o + shift / BITS, block, entries, &list, shift, r);
            }
        }
        const uint8_t *column = (const uint8_t *)block;
        for (; n_out - o >= 8 / BITS; o += 8 / BITS, column += n_in) {
            for (unsigned shift = 0; shift < 8; shift += HB_PART) {
                hb_bytes(y + o + shift / BITS, column, entries, &list, shift,
                         r);
            }
        }
        for (; o < n_out; o++, column += (n_in * BITS + 7) / 8) {
            hb_row_of(y + o, column, entries, &list, r);
        }
        r.first = 0;
    } while (next < n_in);
}
