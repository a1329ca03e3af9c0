// hb_linear_int8_mul: levels of 8 bits in columns of 4 outputs.
// SPDX-License-Identifier: Apache-2.0
//
// Inputs that are 0 cost nothing but a look at them: up to HB_ENTRIES others
// are listed, then the levels of 4 outputs run through the list with their sums
// in registers.

#include "hb_list_mul.h"

enum { HB_ENTRIES = 48 };

// The level in a byte.
static inline int32_t hb_level(uint8_t byte)
{
    return (int8_t)byte;
}

// 4 outputs, of which an input has 4 bytes.
static void hb_block(int32_t *y, const uint8_t *w, const struct hb_entry *e,
                     const struct hb_list *list, struct hb_result r)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (; e != list->end; e++) {
        const uint8_t *column = w + e->at;
        const int32_t x = e->x;
        s0 += hb_level(column[0]) * x;
        s1 += hb_level(column[1]) * x;
        s2 += hb_level(column[2]) * x;
        s3 += hb_level(column[3]) * x;
    }
    hb_put(y, s0, r);
    hb_put(y + 1, s1, r);
    hb_put(y + 2, s2, r);
    hb_put(y + 3, s3, r);
}

// The output of a row.
static void hb_row_of(int32_t *y, const uint8_t *w, const struct hb_entry *e,
                      const struct hb_list *list, struct hb_result r)
{
    int32_t s = 0;
    for (; e != list->end; e++) {
        s += hb_level(w[e->at / 4]) * e->x;
    }
    hb_put(y, s, r);
}

void hb_linear_int8_mul(int32_t *y, const int8_t *x, const uint32_t *w,
                        size_t n_in, size_t n_out)
{
    struct hb_entry entries[HB_ENTRIES];
    size_t next = 0;
    struct hb_result r = {0, 1};
    do {
        const struct hb_list list =
            hb_list(entries, HB_ENTRIES, 4, x, n_in, &next);
        const uint8_t *column = (const uint8_t *)w;
        size_t o = 0;
        for (; n_out - o >= 4; o += 4, column += 4 * n_in) {
            hb_block(y + o, column, entries, &list, r);
        }
        for (; o < n_out; o++, column += n_in) {
            hb_row_of(y + o, column, entries, &list, r);
        }
        r.first = 0;
    } while (next < n_in);
}
