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

// The lanes of an input.
struct hb_lanes {
    uint32_t v0, v1, v2, v3;
};

// Adds x times the lanes; x is not 0. The loop is stated in C, and in those
// same steps for RISC-V, where compilers keep too little of it in registers.
#if defined(__riscv)

#define HB_LANE(op, v, at)                                                     \
    "lw %[t], " at "(%[p])\n\t" op " %[t], %[t], %[" v "]\n\t"                 \
    "sw %[t], " at "(%[p])\n\t"
#define HB_LANES(op)                                                           \
    HB_LANE(op, "v0", "0")                                                     \
    HB_LANE(op, "v1", "4") HB_LANE(op, "v2", "8") HB_LANE(op, "v3", "12")
#define HB_TWO_PLANES                                                          \
    "srai %[x], %[x], 1\n\t"                                                   \
    "addi %[p], %[p], 2*20\n\t"                                                \
    "bnez %[x], 1b\n\t"

static inline void hb_add_input(struct hb_plane *p, int32_t x,
                                struct hb_lanes v)
{
    uint32_t t;
    __asm__ volatile("j 1f\n"
                     "0:\n\t"
                     "addi %[p], %[p], 20\n"
                     "1:\n\t"
                     "andi %[t], %[x], 1\n\t"
                     "srai %[x], %[x], 1\n\t"
                     "beqz %[t], 0b\n\t"
                     "andi %[t], %[x], 1\n\t"
                     "beqz %[t], 2f\n\t" //
                     HB_LANES("sub") HB_LANE(
                         "add", "minus",
                         "16") "addi %[x], %[x], 1\n\t" HB_TWO_PLANES "j 3f\n"
                               "2:\n\t" HB_LANES("add") HB_TWO_PLANES "3:"
                     : [p] "+r"(p), [x] "+r"(x), [t] "=&r"(t)
                     : [v0] "r"(v.v0), [v1] "r"(v.v1), [v2] "r"(v.v2),
                       [v3] "r"(v.v3), [minus] "r"(0x03030303)
                     : "memory");
}

#else

static inline void hb_add_input(struct hb_plane *p, int32_t x,
                                struct hb_lanes v)
{
    for (;; p += 2) {
        for (; (x & 1) == 0; x >>= 1) {
            p++;
        }
        if ((x & 2) == 0) {
            p->lanes[0] += v.v0;
            p->lanes[1] += v.v1;
            p->lanes[2] += v.v2;
            p->lanes[3] += v.v3;
        } else {
            p->lanes[0] -= v.v0;
            p->lanes[1] -= v.v1;
            p->lanes[2] -= v.v2;
            p->lanes[3] -= v.v3;
            p->minus += 0x03030303;
            x++;
        }
        x >>= 2;
        if (x == 0) {
            return;
        }
    }
}

#endif

// Sums in lanes of 16 bits, at most 85 * 3 * 2^7 = 32640 < 2^16, as no input
// has digits of one sign that add up to more than 2^7: of bytes 1 and 3 of the
// lanes, and of all as they are, bytes 0 and 2 with those above them.
struct hb_sums {
    uint32_t all, odd;
};

static inline void hb_double_and_add(struct hb_sums *s, uint32_t lanes)
{
    s->all = 2 * s->all + lanes;
    s->odd = 2 * s->odd + (lanes >> 8 & 0x00FF00FF);
}

HB_APART void hb_put(int32_t *y, struct hb_sums s, uint32_t offset)
{
    const uint32_t even = s.all - (s.odd << 8);
    y[0] = (int32_t)((uint32_t)y[0] + 2 * (even & 0xFFFF) - offset);
    y[4] = (int32_t)((uint32_t)y[4] + 2 * (s.odd & 0xFFFF) - offset);
    y[8] = (int32_t)((uint32_t)y[8] + 2 * (even >> 16) - offset);
    y[12] = (int32_t)((uint32_t)y[12] + 2 * (s.odd >> 16) - offset);
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
    for (int k = 0; k < SPREAD; k += 2, y += 2) {
        struct hb_sums first = {0, 0}, second = {0, 0};
        for (const struct hb_plane *p = planes + PLANES; p-- > planes;) {
            hb_double_and_add(&first, p->lanes[k] + p->minus);
            hb_double_and_add(&second, p->lanes[k + 1] + p->minus);
        }
        hb_put(y, first, offset);
        hb_put(y + 1, second, offset);
    }
}

// y[0 ... 15] += the products of inputs that are not 0, from x on, until they
// are INPUTS or x is `end`. Returns the first input that is not added.
HB_APART const int8_t *hb_chunk(int32_t *y, const int8_t *x, const int8_t *end,
                                const uint32_t *w)
{
    struct hb_plane planes[PLANES];
    uint32_t *const behind = (uint32_t *)(planes + PLANES);
    for (uint32_t *p = planes->lanes; p < behind; p++) {
        *p = 0;
    }
    // Their sum, and 2^16 for each of them; 85 * 127 < 2^15 keeps them apart.
    int32_t sum = -INPUTS * INT32_C(65536) + 32768;
    for (; x < end; x++, w++) {
        const int32_t v = *x;
        if (v == 0) {
            continue;
        }
        const uint32_t codes = *w;
        const struct hb_lanes lanes = {
            codes & 0x03030303, codes >> 2 & 0x03030303,
            codes >> 4 & 0x03030303, codes >> 6 & 0x03030303};
        sum += v + INT32_C(65536);
        hb_add_input(planes, v, lanes);
        if (sum >= 0) {
            x++;
            break;
        }
    }
    hb_finish(y, planes, (sum & 65535) - 32768);
    return x;
}

// y[0 ... 3] = the sums of outputs that have a byte for each input.
HB_APART void hb_column_of_bytes(int32_t *y, const int8_t *x, const uint8_t *w,
                                 size_t n_in)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (const int8_t *end = x + n_in; x < end; x++, w++) {
        const int32_t v = *x;
        if (v != 0) {
            const int32_t product[4] = {-3 * v, -v, v, 3 * v};
            const unsigned codes = *w;
            s0 += product[codes & 3];
            s1 += product[codes >> 2 & 3];
            s2 += product[codes >> 4 & 3];
            s3 += product[codes >> 6];
        }
    }
    y[0] = s0;
    y[1] = s1;
    y[2] = s2;
    y[3] = s3;
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
            next = hb_chunk(y + o, next, x + n_in, w + (next - x));
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
