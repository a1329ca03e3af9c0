// The linear kernel of codes in columns; each hb_linear_<format>_mul.c includes
// it and defines HB_LINEAR, its name, BITS of a code, and STEP and OFFSET:
// level = STEP * code - OFFSET.
// SPDX-License-Identifier: Apache-2.0
//
// Inputs that are 0 cost nothing but a look at them: up to HB_ENTRIES others
// are listed, then every block of 8 outputs runs through the list with its sums
// in registers, two in a word. A product of a code and an activation is in
// [-15 * 127, 15 * 127], so 16 of them fit the 16 bits of a half: 30480 < 2^15.

enum { HB_ENTRIES = 16 };

struct hb_entry {
    int32_t x;
    uint32_t input;
};

// y[k], y[k + shift of 16 bits] += code * x of every entry, for the 4 codes
// from bit `shift` on of both halves of a word.
static void hb_block(int32_t *y, const uint32_t *w, const struct hb_entry *e,
                     const struct hb_entry *end, unsigned shift)
{
    const uint32_t mask = 0x00010001u * ((1u << BITS) - 1);
    uint32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
    for (; e < end; e++) {
        const uint32_t x = (uint32_t)e->x;
        uint32_t c = w[e->input] >> shift;
        a0 += (c & mask) * x;
        a1 += ((c >> BITS) & mask) * x;
        a2 += ((c >> 2 * BITS) & mask) * x;
        a3 += ((c >> 3 * BITS) & mask) * x;
    }
    const uint32_t sums[4] = {a0, a1, a2, a3};
    for (int k = 0; k < 4; k++) {
        const int16_t low = (int16_t)sums[k];
        y[k] += low;
        y[k + 16 / BITS] += (int32_t)(sums[k] - (uint32_t)low) >> 16;
    }
}

void HB_LINEAR(int32_t *y, const int8_t *x, const uint32_t *w, size_t n_in,
               size_t n_out)
{
    struct hb_entry entries[HB_ENTRIES];
    int32_t total = 0;
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    for (size_t i = 0; i < n_in;) {
        struct hb_entry *end = entries;
        for (; i < n_in && end < entries + HB_ENTRIES; i++) {
            if (x[i] != 0) {
                end->x = x[i];
                end->input = (uint32_t)i;
                total += x[i];
                end++;
            }
        }
        const uint32_t *block = w;
        size_t o = 0;
        for (; n_out - o >= 32 / BITS; o += 32 / BITS, block += n_in) {
            for (unsigned part = 0; part < 4 / BITS; part++) {
                hb_block(y + o + 4 * part, block, entries, end,
                         4 * part * BITS);
            }
        }
        const uint8_t *column = (const uint8_t *)block;
        for (; n_out - o >= 8 / BITS; o += 8 / BITS, column += n_in) {
            for (const struct hb_entry *e = entries; e < end; e++) {
                uint32_t c = column[e->input];
                for (size_t k = 0; k < 8 / BITS; k++, c >>= BITS) {
                    y[o + k] += (int32_t)(c & ((1u << BITS) - 1)) * e->x;
                }
            }
        }
        for (; o < n_out; o++, column += (n_in * BITS + 7) / 8) {
            for (const struct hb_entry *e = entries; e < end; e++) {
                const uint32_t bit = e->input * BITS;
                const uint32_t c = column[bit / 8] >> (bit % 8);
                y[o] += (int32_t)(c & ((1u << BITS) - 1)) * e->x;
            }
        }
    }
    for (size_t o = 0; o < n_out; o++) {
        y[o] = STEP * y[o] - OFFSET * total;
    }
}
