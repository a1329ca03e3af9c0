// The convolution kernel of one format, fast for kernels of 3x3 that move over
// one channel pixel by pixel; hb_conv_<format>_avr.c includes it and defines
// HB_CONV, its name; HB_PORTABLE, the portable kernel, for all others; and
// HB_NEXT_LEVEL(codes), the level of the next code, an int8_t.
// SPDX-License-Identifier: Apache-2.0
//
// The levels stay in registers, and a sum does until it is whole. It fits 24
// bits: 9 * 127 * 127 < 2^23.

#include "hb_avr.h"
#include "hb_frame_avr.h"
#include "hb_level.h"

struct hb_taps {
    int8_t level[9];
    const int8_t *row[3]; // where the window begins
    int32_t *acc;
    uint8_t n; // of its moves, 1 or more
};

#ifdef __AVR__

#define FIRST(level, load)                                                     \
    load "muls " level ", r25\n\t"                                             \
         "movw r2, r0\n\t"                                                     \
         "sbc r4, r4\n\t"
// The carry of a product is its sign: r5 becomes its third byte.
#define NEXT(level, load)                                                      \
    load "muls " level ", r25\n\t"                                             \
         "sbc r5, r5\n\t"                                                      \
         "add r2, r0\n\t"                                                      \
         "adc r3, r1\n\t"                                                      \
         "adc r4, r5\n\t"

// r2-r4 sum, r6, r7 acc, r10 moves left, r12, r13 free, r16-r24 levels, r25 a
// pixel; X, Y and Z are in the three rows.
static HB_OWN_FRAME void hb_move(const struct hb_taps *taps)
{
    __asm__ volatile(
        "push r28\n\t"
        "push r29\n\t"
        "ld r16, Z+\n\t"
        "ld r17, Z+\n\t"
        "ld r18, Z+\n\t"
        "ld r19, Z+\n\t"
        "ld r20, Z+\n\t"
        "ld r21, Z+\n\t"
        "ld r22, Z+\n\t"
        "ld r23, Z+\n\t"
        "ld r24, Z+\n\t"
        "ld r26, Z+\n\t"
        "ld r27, Z+\n\t"
        "ld r28, Z+\n\t"
        "ld r29, Z+\n\t"
        "ld r12, Z+\n\t"
        "ld r13, Z+\n\t"
        "ld r6, Z+\n\t"
        "ld r7, Z+\n\t"
        "ld r10, Z\n\t"
        "movw r30, r12\n"
        "1:\n\t" FIRST("r16", "ld r25, X+\n\t") NEXT("r17", "ld r25, X+\n\t")
            NEXT("r18", "ld r25, X\n\t") NEXT("r19", "ld r25, Y+\n\t")
                NEXT("r20", "ld r25, Y\n\t") NEXT("r21", "ldd r25, Y+1\n\t")
                    NEXT("r22", "ld r25, Z+\n\t") NEXT("r23", "ld r25, Z\n\t")
                        NEXT("r24", "ldd r25, Z+1\n\t") "sbiw r26, 1\n\t"
                                                        "movw r12, r26\n\t"
                                                        "movw r26, r6\n\t"
                                                        "st X+, r2\n\t"
                                                        "st X+, r3\n\t"
                                                        "st X+, r4\n\t"
                                                        "lsl r4\n\t"
                                                        "sbc r4, r4\n\t"
                                                        "st X+, r4\n\t"
                                                        "movw r6, r26\n\t"
                                                        "movw r26, r12\n\t"
                                                        "dec r10\n\t"
                                                        "breq 2f\n\t"
                                                        "rjmp 1b\n"
                                                        "2:\n\t"
                                                        "pop r29\n\t"
                                                        "pop r28\n\t"
                                                        "clr r1\n\t"
        : "+z"(taps)
        :
        : "r2", "r3", "r4", "r5", "r6", "r7", "r10", "r12", "r13", "r16", "r17",
          "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27",
          "memory");
}

#undef FIRST
#undef NEXT

#else

static void hb_move(const struct hb_taps *taps)
{
    for (uint8_t x = 0; x < taps->n; x++) {
        int32_t sum = 0;
        for (uint8_t k = 0; k < 9; k++) {
            sum += taps->level[k] * taps->row[k / 3][x + k % 3];
        }
        taps->acc[x] = sum;
    }
}

#endif

void HB_CONV(int32_t *acc, const int8_t *const *rows, const HB_ROM uint8_t *w,
             size_t first, const HB_ROM hb_window *window)
{
    const uint16_t n = window->n_out;
    struct hb_taps taps;
    if (window->kernel_h != 3 || window->kernel_w != 3 || window->stride != 1 ||
        window->pad != 0 || window->channels != 1 || window->pixel != 1 ||
        n > UINT8_MAX || n == 0 || rows[0] == NULL || rows[1] == NULL ||
        rows[2] == NULL) {
        HB_PORTABLE(acc, rows, w, first, window);
        return;
    }
    struct hb_codes codes = {w, 0, 0};
    for (uint8_t k = 0; k < 9; k++) {
        taps.level[k] = (int8_t)HB_NEXT_LEVEL(&codes);
    }
    for (uint8_t k = 0; k < 3; k++) {
        taps.row[k] = rows[k] + first;
    }
    taps.acc = acc;
    taps.n = (uint8_t)n;
    hb_move(&taps);
}
