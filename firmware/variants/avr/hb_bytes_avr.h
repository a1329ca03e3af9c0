// hb_bytes: 4 outputs whose codes are 4 bytes of a column. Private.
// SPDX-License-Identifier: Apache-2.0

#include "hb_list_avr.h"

// A sum of code * x is at most 64 * 255 * 127 < 2^24.

#ifdef __AVR__

#define CLEAR(s0, s1, s2) "clr " #s0 "\n\tclr " #s1 "\n\tclr " #s2 "\n\t"
#define ADD(s0, s1, s2)                                                        \
    "lpm r0, Z+\n\t"                                                           \
    "mul r0, r22\n\t"                                                          \
    "add " #s0 ", r0\n\t"                                                      \
    "adc " #s1 ", r1\n\t"                                                      \
    "adc " #s2 ", r25\n\t"
#define STORE(s0, s1, s2)                                                      \
    "st X+, " #s0 "\n\tst X+, " #s1 "\n\tst X+, " #s2 "\n\tst X+, r25\n\t"
#define FOUR(what)                                                             \
    what(r2, r3, r4) what(r5, r6, r7) what(r8, r9, r10) what(r11, r12, r13)

static inline void hb_bytes(uint32_t *sums, const struct hb_entry *e, uint8_t n,
                            const HB_ROM uint8_t *w)
{
    HB_RUN_LIST(sums, e, n, w, FOUR(CLEAR), FOUR(ADD), HB_NEAR, FOUR(STORE));
}

#undef CLEAR
#undef ADD
#undef STORE
#undef FOUR

#else

static inline void hb_bytes(uint32_t *sums, const struct hb_entry *e, uint8_t n,
                            const HB_ROM uint8_t *w)
{
    for (uint8_t k = 0; k < 4; k++) {
        sums[k] = 0;
    }
    for (; n > 0; n--, e++, w += 4) {
        w += e->gap;
        for (uint8_t k = 0; k < 4; k++) {
            sums[k] += (uint16_t)(w[k] * e->x);
        }
    }
}

#endif
