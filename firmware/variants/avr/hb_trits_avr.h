// hb_trits: 10 outputs whose trits are 2 bytes of a column. Private.
// SPDX-License-Identifier: Apache-2.0

#include "hb_list_avr.h"

// A sum of code * x is at most 64 * 2 * 127 < 2^16.

#ifdef __AVR__

#define CLEAR(s0, s1) "clr " #s0 "\n\tclr " #s1 "\n\t"
// r25 is 3 within a column, so 3 * r0 leaves the next code in r1 and what
// follows in r0. At most one of the bits of a code is set: r22 is x, r23 2 * x
// <= 254. The carry is 0 behind the product, which is below 2^15.
#define ADD(s0, s1)                                                            \
    "mul r0, r25\n\t"                                                          \
    "sbrc r1, 0\n\t"                                                           \
    "add " #s0 ", r22\n\t"                                                     \
    "sbrc r1, 1\n\t"                                                           \
    "add " #s0 ", r23\n\t"                                                     \
    "brcc .+2\n\t"                                                             \
    "inc " #s1 "\n\t"
#define STORE(s0, s1) "st X+, " #s0 "\n\tst X+, " #s1 "\n\t"
#define FIRST(what)                                                            \
    what(r2, r3) what(r4, r5) what(r6, r7) what(r8, r9) what(r10, r11)
#define SECOND(what)                                                           \
    what(r12, r13) what(r14, r15) what(r16, r17) what(r18, r19) what(r20, r21)

static inline void hb_trits(uint16_t *sums, const struct hb_entry *e, uint8_t n,
                            const HB_ROM uint8_t *w)
{
    HB_RUN_LIST(sums, e, n, w, FIRST(CLEAR) SECOND(CLEAR),
                "ldi r25, 3\n\t"
                "mov r23, r22\n\t"
                "lsl r23\n\t"
                "lpm r0, Z+\n\t" FIRST(ADD) "lpm r0, Z+\n\t" SECOND(
                    ADD) "ldi r25, 0\n\t",
                HB_FAR, FIRST(STORE) SECOND(STORE));
}

#undef CLEAR
#undef ADD
#undef STORE
#undef FIRST
#undef SECOND

#else

static inline void hb_trits(uint16_t *sums, const struct hb_entry *e, uint8_t n,
                            const HB_ROM uint8_t *w)
{
    for (uint8_t k = 0; k < 10; k++) {
        sums[k] = 0;
    }
    for (; n > 0; n--, e++, w += 2) {
        w += e->gap;
        uint8_t byte = 0;
        for (uint8_t k = 0; k < 10; k++) {
            if (k % 5 == 0) {
                byte = w[k / 5];
            }
            const uint8_t code = hb_next_trit(&byte);
            sums[k] = (uint16_t)(sums[k] + code * e->x);
        }
    }
}

#endif
