// hb_nibbles: 8 outputs whose codes of 4 bits are 4 bytes of a column. Private.
// SPDX-License-Identifier: Apache-2.0
//
// A product of the whole byte saves taking its upper code out: byte * x is
// low * x + 16 * high * x. So the sums of byte * x and of low * x are kept,
// and (the first - the second) / 16 is the sum of high * x.
//
// The includer defines BEHIND: bytes of a column behind these 4.

#include "hb_list_avr.h"

// 15 * 4369 = 65535: a sum of code * x fits 16 bits. One of byte * x is at most
// 255 * 4369 < 2^24, and its upper part, divided by 16, fits 16 bits again.
enum { HB_NIBBLES_LIMIT = 4369 };

#ifdef __AVR__

#define CLEAR(a0, a1, a2, l0, l1)                                              \
    "clr " #a0 "\n\t"                                                          \
    "clr " #a1 "\n\t"                                                          \
    "clr " #a2 "\n\t"                                                          \
    "clr " #l0 "\n\t"                                                          \
    "clr " #l1 "\n\t"
#define ADD(a0, a1, a2, l0, l1)                                                \
    "lpm r23, Z+\n\t"                                                          \
    "mul r23, r22\n\t"                                                         \
    "add " #a0 ", r0\n\t"                                                      \
    "adc " #a1 ", r1\n\t"                                                      \
    "adc " #a2 ", r25\n\t"                                                     \
    "andi r23, 15\n\t"                                                         \
    "mul r23, r22\n\t"                                                         \
    "add " #l0 ", r0\n\t"                                                      \
    "adc " #l1 ", r1\n\t"
// The difference is below 2^20 and divides by 16: swap moves its lowest and
// highest digit of 4 bits to their places, a product with 16 the two between.
#define STORE(a0, a1, a2, l0, l1)                                              \
    "st X+, " #l0 "\n\t"                                                       \
    "st X+, " #l1 "\n\t"                                                       \
    "sub " #a0 ", " #l0 "\n\t"                                                 \
    "sbc " #a1 ", " #l1 "\n\t"                                                 \
    "sbc " #a2 ", r25\n\t"                                                     \
    "swap " #a0 "\n\t"                                                         \
    "mul " #a1 ", r24\n\t"                                                     \
    "or " #a0 ", r0\n\t"                                                       \
    "swap " #a2 "\n\t"                                                         \
    "or " #a2 ", r1\n\t"                                                       \
    "st X+, " #a0 "\n\t"                                                       \
    "st X+, " #a2 "\n\t"
#define FOUR(what)                                                             \
    what(r2, r3, r4, r5, r6) what(r7, r8, r9, r10, r11)                        \
        what(r12, r13, r14, r15, r16) what(r17, r18, r19, r20, r21)

static inline void hb_nibbles(uint16_t *sums, const struct hb_entry *e,
                              uint8_t n, const HB_ROM uint8_t *w)
{
    HB_RUN_LIST(sums, e, n, w, FOUR(CLEAR), FOUR(ADD) HB_SKIP(BEHIND), HB_NEAR,
                "ldi r24, 16\n\t" FOUR(STORE));
}

#undef CLEAR
#undef ADD
#undef STORE
#undef FOUR

#else

static inline void hb_nibbles(uint16_t *sums, const struct hb_entry *e,
                              uint8_t n, const HB_ROM uint8_t *w)
{
    for (uint8_t k = 0; k < 8; k++) {
        sums[k] = 0;
    }
    for (; n > 0; n--, e++, w += 4 + BEHIND) {
        w += e->gap;
        for (uint8_t k = 0; k < 8; k++) {
            const uint8_t code = (uint8_t)(w[k / 2] >> 4 * (k % 2)) & 15;
            sums[k] = (uint16_t)(sums[k] + code * e->x);
        }
    }
}

#endif
