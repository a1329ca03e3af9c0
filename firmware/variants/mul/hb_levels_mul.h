// The linear kernel of any 16 levels, of codes in columns; each
// hb_linear_<format>_mul.c includes it and defines HB_LINEAR, its name, and
// HB_LEVELS, the levels in the order of their codes.
// SPDX-License-Identifier: Apache-2.0
//
// Inputs that are 0 cost nothing but a look at them: up to HB_ENTRIES others
// are listed, then the codes of every few outputs run through the list with
// their sums in registers. The sums are exact, in any order.

#include "hb_lookups_mul.h"

enum { HB_ENTRIES = 48 };

static const int16_t hb_levels[16] = {HB_LEVELS};

// HB_OUTPUTS outputs, which begin at w + e->at.
static void hb_block(int32_t *y, const uint8_t *w, const struct hb_entry *e,
                     const struct hb_list *list, struct hb_result r)
{
    struct hb_sums s = {0};
    if (e != list->end) {
        hb_products(&s, w, e, list->end, hb_levels);
    }
    hb_put(y, s.s0, r);
    hb_put(y + 1, s.s1, r);
    hb_put(y + 2, s.s2, r);
    hb_put(y + 3, s.s3, r);
#if HB_OUTPUTS == 8
    hb_put(y + 4, s.s4, r);
    hb_put(y + 5, s.s5, r);
    hb_put(y + 6, s.s6, r);
    hb_put(y + 7, s.s7, r);
#endif
}

// Two outputs, of which an input has a byte.
static void hb_bytes(int32_t *y, const uint8_t *w, const struct hb_entry *e,
                     const struct hb_list *list, struct hb_result r)
{
    int32_t s0 = 0, s1 = 0;
    for (; e != list->end; e++) {
        const uint32_t c = w[e->at / 4];
        s0 += hb_levels[c & 15] * e->x;
        s1 += hb_levels[c >> 4] * e->x;
    }
    hb_put(y, s0, r);
    hb_put(y + 1, s1, r);
}

// The output of a row.
static void hb_row_of(int32_t *y, const uint8_t *w, const struct hb_entry *e,
                      const struct hb_list *list, struct hb_result r)
{
    int32_t s = 0;
    for (; e != list->end; e++) {
        s += hb_levels[w[e->at / 8] >> (e->at & 4) & 15] * e->x;
    }
    hb_put(y, s, r);
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
        const uint8_t *column = (const uint8_t *)w;
        size_t o = 0;
        for (; n_out - o >= 8; o += 8, column += 4 * n_in) {
            for (size_t k = 0; k < 8; k += HB_OUTPUTS) {
                hb_block(y + o + k, column + k / 2, entries, &list, r);
            }
        }
        for (; n_out - o >= 2; o += 2, column += n_in) {
            hb_bytes(y + o, column, entries, &list, r);
        }
        if (o < n_out) {
            hb_row_of(y + o, column, entries, &list, r);
        }
        r.first = 0;
    } while (next < n_in);
}
