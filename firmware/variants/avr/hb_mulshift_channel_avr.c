// hb_mulshift_channel_avr: sums of one channel to activations, a multiplier.
// SPDX-License-Identifier: Apache-2.0
//
// A shift by s >= 1 is one by `bytes` whole bytes and one by 1 ... 8 bits,
// which is a product with a power of 2. Between the two the ends are compared
// with, shifted up by as many bits.

#include "hb_avr.h"
#include "hb_frame_avr.h"

struct hb_scale {
    int16_t m;
    int32_t b;
    uint8_t power; // 2^(8 - bits)
    uint8_t bytes;
    uint16_t above;  // (hi + 1) * 2^bits <= 2^15
    int16_t low;     // lo * 2^bits
    int8_t low_sign; // what is above low: 0 or -1
    int8_t hi, lo;
    uint8_t step;
    uint8_t n; // 1 or more
};

#ifdef __AVR__

// r2, r3 m, r4-r7 b, r8 power, r9 bytes, r10, r11 above, r12-r14 low, r15 0,
// r16-r19 a sum and then its sign, r20-r23 the product, r24 hi, r25 lo, r28
// step, r29 n, X acc, Z y
static HB_OWN_FRAME void hb_scale_sums(int8_t *y, const int32_t *acc,
                                       const struct hb_scale *scale)
{
    register uint8_t low __asm__("r24") = (uint8_t)(uintptr_t)scale;
    register uint8_t high __asm__("r25") = (uint8_t)((uintptr_t)scale >> 8);
    __asm__ volatile("push r28\n\t"
                     "push r29\n\t"
                     "push r30\n\t"
                     "push r31\n\t"
                     "movw r30, r24\n\t"
                     "ld r2, Z+\n\t"
                     "ld r3, Z+\n\t"
                     "ld r4, Z+\n\t"
                     "ld r5, Z+\n\t"
                     "ld r6, Z+\n\t"
                     "ld r7, Z+\n\t"
                     "ld r8, Z+\n\t"
                     "ld r9, Z+\n\t"
                     "ld r10, Z+\n\t"
                     "ld r11, Z+\n\t"
                     "ld r12, Z+\n\t"
                     "ld r13, Z+\n\t"
                     "ld r14, Z+\n\t"
                     "ld r24, Z+\n\t"
                     "ld r25, Z+\n\t"
                     "ld r28, Z+\n\t"
                     "ld r29, Z\n\t"
                     "clr r15\n\t"
                     "pop r31\n\t"
                     "pop r30\n"
                     "1:\n\t"
                     "ld r16, X+\n\t"
                     "ld r17, X+\n\t"
                     "ld r18, X+\n\t"
                     "ld r19, X+\n\t"
                     // The product modulo 2^32, by bytes without signs ...
                     "mul r16, r2\n\t"
                     "movw r20, r0\n\t"
                     "mul r17, r3\n\t"
                     "movw r22, r0\n\t"
                     "mul r17, r2\n\t"
                     "add r21, r0\n\t"
                     "adc r22, r1\n\t"
                     "adc r23, r15\n\t"
                     "mul r16, r3\n\t"
                     "add r21, r0\n\t"
                     "adc r22, r1\n\t"
                     "adc r23, r15\n\t"
                     "mul r18, r2\n\t"
                     "add r22, r0\n\t"
                     "adc r23, r1\n\t"
                     "mul r18, r3\n\t"
                     "add r23, r0\n\t"
                     "mul r19, r2\n\t"
                     "add r23, r0\n\t"
                     // ... and m below 0 was 2^16 too large.
                     "sbrs r3, 7\n\t"
                     "rjmp 2f\n\t"
                     "sub r22, r16\n\t"
                     "sbc r23, r17\n"
                     "2:\n\t"
                     "add r20, r4\n\t"
                     "adc r21, r5\n\t"
                     "adc r22, r6\n\t"
                     "adc r23, r7\n\t"
                     "mov r16, r23\n\t"
                     "lsl r16\n\t"
                     "sbc r16, r16\n\t"
                     "sbrs r9, 1\n\t"
                     "rjmp 3f\n\t"
                     "movw r20, r22\n\t"
                     "mov r22, r16\n\t"
                     "mov r23, r16\n"
                     "3:\n\t"
                     "sbrs r9, 0\n\t"
                     "rjmp 4f\n\t"
                     "mov r20, r21\n\t"
                     "mov r21, r22\n\t"
                     "mov r22, r23\n\t"
                     "mov r23, r16\n"
                     "4:\n\t"
                     "cp r20, r10\n\t"
                     "cpc r21, r11\n\t"
                     "cpc r22, r15\n\t"
                     "cpc r23, r15\n\t"
                     "brlt 5f\n\t"
                     "mov r20, r24\n\t"
                     "rjmp 7f\n"
                     "5:\n\t"
                     "cp r20, r12\n\t"
                     "cpc r21, r13\n\t"
                     "cpc r22, r14\n\t"
                     "cpc r23, r14\n\t"
                     "brge 6f\n\t"
                     "mov r20, r25\n\t"
                     "rjmp 7f\n"
                     "6:\n\t"
                     "mul r20, r8\n\t"
                     "mov r20, r1\n\t"
                     "mul r21, r8\n\t"
                     "or r20, r0\n"
                     "7:\n\t"
                     "st Z, r20\n\t"
                     "add r30, r28\n\t"
                     "adc r31, r15\n\t"
                     "dec r29\n\t"
                     "breq 8f\n\t"
                     "rjmp 1b\n"
                     "8:\n\t"
                     "pop r29\n\t"
                     "pop r28\n\t"
                     "clr r1\n\t"
                     : "+z"(y), "+x"(acc), "+r"(low), "+r"(high)
                     :
                     : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10",
                       "r11", "r12", "r13", "r14", "r15", "r16", "r17", "r18",
                       "r19", "r20", "r21", "r22", "r23", "memory");
}

#else

static void hb_scale_sums(int8_t *y, const int32_t *acc,
                          const struct hb_scale *scale)
{
    for (uint8_t i = 0; i < scale->n; i++, y += scale->step) {
        const int32_t v = (acc[i] * scale->m + scale->b) >> 8 * scale->bytes;
        if (v >= scale->above) {
            *y = scale->hi;
        } else if (v < scale->low) {
            *y = scale->lo;
        } else {
            *y = (int8_t)((v * scale->power) >> 8); // |v| <= 2^15
        }
    }
}

#endif

void hb_mulshift_channel_avr(int8_t *y, size_t step, const int32_t *acc,
                             const HB_ROM int16_t *m, const HB_ROM int32_t *b,
                             const HB_ROM uint8_t *s, int8_t lo, int8_t hi,
                             size_t n)
{
    const uint8_t shift = *s;
    if (shift == 0 || step > UINT8_MAX || n > UINT8_MAX || n == 0) {
        hb_mulshift_channel(y, step, acc, m, b, s, lo, hi, n);
        return;
    }
    static const HB_ROM uint8_t powers[8] = {128, 64, 32, 16, 8, 4, 2, 1};
    const uint8_t bits = (uint8_t)(shift - 1) & 7; // and one more
    struct hb_scale scale;
    scale.m = *m;
    scale.b = *b;
    scale.power = powers[bits];
    scale.bytes = (uint8_t)(shift - 1) >> 3;
    const uint8_t up = powers[7 - bits];
    scale.above = (uint16_t)(2u * up * (uint8_t)(hi + 1));
    scale.low = (int16_t)(2 * up * lo);
    scale.low_sign = lo < 0 ? -1 : 0;
    scale.hi = hi;
    scale.lo = lo;
    scale.step = (uint8_t)step;
    scale.n = (uint8_t)n;
    hb_scale_sums(y, acc, &scale);
}
