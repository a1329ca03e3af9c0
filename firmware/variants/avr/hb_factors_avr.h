// hb_factors: 4 outputs whose codes of 4 bits are 2 bytes of a column, each
// code standing for a factor of its own. Private.
// SPDX-License-Identifier: Apache-2.0
//
// The includer defines HB_FACTORS, 16 numbers: the factors modulo 256. A factor
// is at most 255, but 256 for code FULL, where there is one; no other factor
// than those of codes 8 to 15 is 0 then.

#include "hb_list_avr.h"

// The factor of the lower code of a byte: the whole byte is the index.
#define HB_FACTORS_4 HB_FACTORS, HB_FACTORS, HB_FACTORS, HB_FACTORS

#ifdef __AVR__
__attribute__((used, aligned(256)))
#endif
static const HB_ROM uint8_t hb_factor[256] = {
    HB_FACTORS_4,
    HB_FACTORS_4,
    HB_FACTORS_4,
    HB_FACTORS_4,
};

// A sum of factor * x is at most 64 * 256 * 127 < 2^24.

#ifdef __AVR__

#define CLEAR(site, s0, s1, s2) "clr " #s0 "\n\tclr " #s1 "\n\tclr " #s2 "\n\t"
// A product of 0 may be one with 256.
#define ADD(site, s0, s1, s2)                                                  \
    "lpm r0, Z\n\t"                                                            \
    "mul r0, r22\n\t" IF_FULL("breq 3" #site "f\n4" #site                      \
                              ":\n\t") "add " #s0 ", r0\n\t"                   \
                                       "adc " #s1 ", r1\n\t"                   \
                                       "adc " #s2 ", r25\n\t"
#define IS_FULL(site, s0, s1, s2)                                              \
    "3" #site ":\n\t"                                                          \
    "sbrs r30, 3\n\t"                                                          \
    "mov r1, r22\n\t"                                                          \
    "rjmp 4" #site "b\n"
#define STORE(site, s0, s1, s2)                                                \
    "st X+, " #s0 "\n\tst X+, " #s1 "\n\tst X+, " #s2 "\n\tst X+, r25\n\t"
#define FOUR(what)                                                             \
    what(0, r2, r3, r4) what(1, r5, r6, r7) what(2, r8, r9, r10)               \
        what(3, r11, r12, r13)
#ifdef FULL
#define IF_FULL(text) text
#else
#define IF_FULL(text)
#endif

// r14, r15 are the bytes of the column, r16, r17 its end.
#define COLUMN                                                                 \
    "lpm r14, Z+\n\t"                                                          \
    "lpm r15, Z+\n\t"                                                          \
    "movw r16, r30\n\t"                                                        \
    "ldi r31, hi8(hb_factor)\n\t"                                              \
    "mov r30, r14\n\t" ADD(0, r2, r3, r4) "swap r30\n\t" ADD(                  \
        1, r5, r6,                                                             \
        r7) "mov r30, r15\n\t" ADD(2, r8, r9,                                  \
                                   r10) "swap r30\n\t" ADD(3, r11, r12,        \
                                                           r13) "movw r30, "   \
                                                                "r16\n\t"

static inline void hb_factors(uint32_t *sums, const struct hb_entry *e,
                              uint8_t n, const HB_ROM uint8_t *w)
{
    HB_RUN_LIST(sums, e, n, w, FOUR(CLEAR), COLUMN, HB_NEAR,
                FOUR(STORE) IF_FULL("rjmp 5f\n" FOUR(IS_FULL) "5:\n\t"));
}

#undef CLEAR
#undef ADD
#undef STORE
#undef COLUMN
#undef IS_FULL
#undef FOUR

#else

static inline void hb_factors(uint32_t *sums, const struct hb_entry *e,
                              uint8_t n, const HB_ROM uint8_t *w)
{
    for (uint8_t k = 0; k < 4; k++) {
        sums[k] = 0;
    }
    for (; n > 0; n--, e++, w += 2) {
        w += e->gap;
        for (uint8_t k = 0; k < 4; k++) {
            const uint8_t code = (uint8_t)(w[k / 2] >> 4 * (k % 2)) & 15;
            uint16_t factor = hb_factor[code];
#ifdef FULL
            factor = code == FULL ? 256 : factor;
#endif
            sums[k] += (uint16_t)(factor * e->x);
        }
    }
}

#endif
