// hb_linear_sym5_mul: the lower 4 bits and the upper bit of codes in columns.
// SPDX-License-Identifier: Apache-2.0
//
// As hb_columns_mul.h, but the sums of the upper bits are taken apart, so that
// those of the lower ones need no more room: level = 2 * (low + 16 * up) - 31.

#define BITS 4
#include "hb_products_mul.h"

enum { HB_ENTRIES = 34 };

// To the sums of the lower bits is added 15 times, to those of the upper bits
// once the sum of |x| over x < 0. So none is below 0 or leaves its half.
typedef char hb_a_half_holds_the_sums
    [15 * INT32_C(127) * HB_ENTRIES < INT32_C(65536) ? 1 : -1];

#define HB_ONES UINT32_C(0x00010001)

// Output k in the lower halves and 4 + k in the upper ones.
static inline void hb_put_halves(int32_t *y, uint32_t low, uint32_t up,
                                 const struct hb_result *r)
{
    hb_put(y, (int32_t)(2 * (low & 0xffff) + 32 * (up & 0xffff)), *r);
    hb_put(y + 4, (int32_t)(2 * (low >> 16) + 32 * (up >> 16)), *r);
}

// 8 outputs: of their lower bits an input has a word, of the upper ones a byte.
static void hb_block(int32_t *y, const uint32_t *w, const uint8_t *upper,
                     const struct hb_entry *e, const struct hb_list *list,
                     struct hb_result r)
{
    const uint32_t ones = list->negative * HB_ONES;
    const uint32_t bias = 15 * ones;
    struct hb_sums s = {bias, bias, bias, bias};
    uint32_t u0 = ones, u1 = ones, u2 = ones, u3 = ones;
    if (e != list->end) {
        hb_products(&s, w, e, list->end, 0);
    }
    s.s0 -= ((s.s1 - bias) << 4) + ((s.s2 - bias) << 8) + ((s.s3 - bias) << 12);
    for (; e != list->end; e++) {
        const uint32_t x = (uint32_t)e->x;
        const uint32_t byte = upper[e->at / 4];
        const uint32_t bits = byte | byte << 12; // bit 4 + k to the upper half
        u0 += (bits & HB_ONES) * x;
        u1 += (bits >> 1 & HB_ONES) * x;
        u2 += (bits >> 2 & HB_ONES) * x;
        u3 += (bits >> 3 & HB_ONES) * x;
    }
    r.rest -= 62 * (int32_t)list->negative;
    hb_put_halves(y, s.s0, u0, &r);
    hb_put_halves(y + 1, s.s1, u1, &r);
    hb_put_halves(y + 2, s.s2, u2, &r);
    hb_put_halves(y + 3, s.s3, u3, &r);
}

// The output of a row, SPEC 4.1.
static void hb_row_of(int32_t *y, const uint8_t *w, const struct hb_entry *e,
                      const struct hb_list *list, struct hb_result r)
{
    int32_t sum = 0;
    for (; e != list->end; e++) {
        const uint32_t bit = e->at / 4 * 5;
        uint32_t c = w[bit / 8];
        if (bit % 8 > 3) {
            c |= (uint32_t)w[bit / 8 + 1] << 8;
        }
        sum += (int32_t)(c >> bit % 8 & 31) * e->x;
    }
    hb_put(y, 2 * sum, r);
}

void hb_linear_sym5_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                        size_t n_in, size_t n_out)
{
    struct hb_entry entries[HB_ENTRIES];
    const size_t blocks = n_out / 8;
    size_t next = 0;
    struct hb_result r = {0, 1};
    do {
        const struct hb_list list =
            hb_list(entries, HB_ENTRIES, 4, x, n_in, &next);
        r.rest = -31 * list.sum;
        const uint32_t *block = w;
        const uint8_t *column = (const uint8_t *)(w + blocks * n_in);
        size_t o = 0;
        for (; n_out - o >= 8; o += 8, block += n_in, column += n_in) {
            hb_block(y + o, block, column, entries, &list, r);
        }
        for (; o < n_out; o++, column += (5 * n_in + 7) / 8) {
            hb_row_of(y + o, column, entries, &list, r);
        }
        r.first = 0;
    } while (next < n_in);
}
