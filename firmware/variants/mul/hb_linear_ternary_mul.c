// hb_linear_ternary_mul: 5 trits of 5 outputs in a byte.
// SPDX-License-Identifier: Apache-2.0
//
// A byte is b = c0 + 3 c1 + 9 c2 + 27 c3 + 81 c4. With q0 = b and q(k + 1) =
// floor(q(k) / 3), code k is q(k) - 3 q(k + 1); so is the sum of its products
// that of the sums of q(k) * x. They are taken mod 2^16 in the halves of a
// word, where what is wanted in the end fits.

#include "hb_level.h"
#include "hb_trits_mul.h"

enum { HB_ENTRIES = 48 };

// To each sum in a half is added twice the sum of |x| over x < 0. So it lies
// between 0 and twice the sum of all |x|.
typedef char hb_a_half_holds_the_sums
    [2 * INT32_C(127) * HB_ENTRIES < INT32_C(65536) ? 1 : -1];

// Outputs k and 5 + k from the sums of q(k) and of q(k + 1).
static inline void hb_put_trits(int32_t *y, uint32_t s, uint32_t next,
                                uint32_t bias, struct hb_result r)
{
    const uint32_t sums = s - 3 * next + bias;
    hb_put(y, (int32_t)(sums & 0xffff), r);
    hb_put(y + 5, (int32_t)(sums >> 16), r);
}

// 10 outputs, of which an input has two bytes in a row.
static void hb_block(int32_t *y, const uint8_t *w, const struct hb_entry *e,
                     const struct hb_list *list, struct hb_result r)
{
    const uint32_t bias = list->negative * UINT32_C(0x00020002);
    struct hb_sums s = {0, 0, 0, 0, 0};
    if (e != list->end) {
        hb_products(&s, w, e, list->end);
    }
    r.rest -= 2 * (int32_t)list->negative;
    hb_put_trits(y, s.s0, s.s1, bias, r);
    hb_put_trits(y + 1, s.s1, s.s2, bias, r);
    hb_put_trits(y + 2, s.s2, s.s3, bias, r);
    hb_put_trits(y + 3, s.s3, s.s4, bias, r);
    hb_put_trits(y + 4, s.s4, 0, bias, r);
}

// 5 outputs, of which an input has a byte.
static void hb_bytes(int32_t *y, const uint8_t *w, const struct hb_entry *e,
                     const struct hb_list *list, struct hb_result r)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0;
    for (; e != list->end; e++) {
        uint32_t q = w[e->at / 2]; // <= 242
        s0 += (int32_t)q * e->x;
        q = HB_THIRD(q);
        s1 += (int32_t)q * e->x;
        q = HB_THIRD(q);
        s2 += (int32_t)q * e->x;
        q = HB_THIRD(q);
        s3 += (int32_t)q * e->x;
        q = HB_THIRD(q);
        s4 += (int32_t)q * e->x;
    }
    hb_put(y, s0 - 3 * s1, r);
    hb_put(y + 1, s1 - 3 * s2, r);
    hb_put(y + 2, s2 - 3 * s3, r);
    hb_put(y + 3, s3 - 3 * s4, r);
    hb_put(y + 4, s4, r);
}

// An output with a row of its own, SPEC 4.2; the byte behind the row.
static const uint8_t *hb_row_of(int32_t *y, const uint8_t *w, const int8_t *x,
                                size_t n_in)
{
    int32_t sum = 0;
    uint8_t byte = 0, left = 0;
    for (size_t i = 0; i < n_in; i++, left--) {
        if (left == 0) {
            byte = *w++;
            left = 5;
        }
        sum += hb_level_ternary(hb_next_trit(&byte)) * x[i];
    }
    *y = sum;
    return w;
}

void hb_linear_ternary_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                           size_t n_in, size_t n_out)
{
    struct hb_entry entries[HB_ENTRIES];
    size_t next = 0;
    size_t o;
    const uint8_t *column;
    struct hb_result r = {0, 1};
    do {
        const struct hb_list list =
            hb_list(entries, HB_ENTRIES, 2, x, n_in, &next);
        r.rest = -list.sum;
        column = (const uint8_t *)w;
        for (o = 0; n_out - o >= 10; o += 10, column += 2 * n_in) {
            hb_block(y + o, column, entries, &list, r);
        }
        for (; n_out - o >= 5; o += 5, column += n_in) {
            hb_bytes(y + o, column, entries, &list, r);
        }
        r.first = 0;
    } while (next < n_in);
    for (; o < n_out; o++) {
        column = hb_row_of(y + o, column, x, n_in);
    }
}
