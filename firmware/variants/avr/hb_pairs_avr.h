// hb_pairs: 8 outputs whose codes of 2 bits are 2 bytes of a column. Private.
// SPDX-License-Identifier: Apache-2.0

#include "hb_list_avr.h"

// A sum of code * x is at most 64 * 3 * 127 < 2^16.

#ifdef __AVR__

#define CLEAR(low, high, s0, s1) "clr " #s0 "\n\tclr " #s1 "\n\t"
// r18 is 2 * x. The carry is 0 behind every addition to the upper byte.
#define ADD(low, high, s0, s1)                                                 \
    "sbrc r23, " #low "\n\t"                                                   \
    "add " #s0 ", r22\n\t"                                                     \
    "adc " #s1 ", r25\n\t"                                                     \
    "sbrc r23, " #high "\n\t"                                                  \
    "add " #s0 ", r18\n\t"                                                     \
    "adc " #s1 ", r25\n\t"
#define STORE(low, high, s0, s1) "st X+, " #s0 "\n\tst X+, " #s1 "\n\t"
#define LOWER(what)                                                            \
    what(0, 1, r2, r3) what(2, 3, r4, r5) what(4, 5, r6, r7) what(6, 7, r8, r9)
#define UPPER(what)                                                            \
    what(0, 1, r10, r11) what(2, 3, r12, r13) what(4, 5, r14, r15)             \
        what(6, 7, r16, r17)

static inline void hb_pairs(uint16_t *sums, const struct hb_entry *e, uint8_t n,
                            const HB_ROM uint8_t *w)
{
    HB_RUN_LIST(sums, e, n, w, LOWER(CLEAR) UPPER(CLEAR),
                "mov r18, r22\n\t"
                "lsl r18\n\t"
                "lpm r23, Z+\n\t" LOWER(ADD) "lpm r23, Z+\n\t" UPPER(ADD),
                HB_NEAR, LOWER(STORE) UPPER(STORE));
}

#undef CLEAR
#undef ADD
#undef STORE
#undef LOWER
#undef UPPER

#else

static inline void hb_pairs(uint16_t *sums, const struct hb_entry *e, uint8_t n,
                            const HB_ROM uint8_t *w)
{
    for (uint8_t k = 0; k < 8; k++) {
        sums[k] = 0;
    }
    for (; n > 0; n--, e++, w += 2) {
        w += e->gap;
        for (uint8_t k = 0; k < 8; k++) {
            const uint8_t code = (uint8_t)(w[k / 4] >> 2 * (k % 4)) & 3;
            sums[k] = (uint16_t)(sums[k] + code * e->x);
        }
    }
}

#endif
