// hb_bits: 8 outputs whose codes of 1 bit are a byte of a column. Private.
// SPDX-License-Identifier: Apache-2.0
//
// The includer defines AHEAD: bytes of a column in front of this one.

#include "hb_list_avr.h"

// A sum of code * x is at most 64 * 127 < 2^16.

#ifdef __AVR__

#define CLEAR(bit, s0, s1) "clr " #s0 "\n\tclr " #s1 "\n\t"
// The carry is 0 behind every addition to the upper byte, since no sum
// overflows; so an addition that is skipped leaves it at 0.
#define ADD(bit, s0, s1)                                                       \
    "sbrc r23, " #bit "\n\t"                                                   \
    "add " #s0 ", r22\n\t"                                                     \
    "adc " #s1 ", r25\n\t"
#define STORE(bit, s0, s1) "st X+, " #s0 "\n\tst X+, " #s1 "\n\t"
#define EIGHT(what)                                                            \
    what(0, r2, r3) what(1, r4, r5) what(2, r6, r7) what(3, r8, r9)            \
        what(4, r10, r11) what(5, r12, r13) what(6, r14, r15)                  \
            what(7, r16, r17)

static inline void hb_bits(uint16_t *sums, const struct hb_entry *e, uint8_t n,
                           const HB_ROM uint8_t *w)
{
    HB_RUN_LIST(sums, e, n, w, EIGHT(CLEAR),
                HB_SKIP(AHEAD) "lpm r23, Z+\n\t" EIGHT(ADD), HB_NEAR,
                EIGHT(STORE));
}

#undef CLEAR
#undef ADD
#undef STORE
#undef EIGHT

#else

static inline void hb_bits(uint16_t *sums, const struct hb_entry *e, uint8_t n,
                           const HB_ROM uint8_t *w)
{
    for (uint8_t k = 0; k < 8; k++) {
        sums[k] = 0;
    }
    for (; n > 0; n--, e++, w++) {
        w += e->gap + AHEAD;
        for (uint8_t k = 0; k < 8; k++) {
            const uint8_t code = (uint8_t)(*w >> k) & 1;
            sums[k] = (uint16_t)(sums[k] + code * e->x);
        }
    }
}

#endif
