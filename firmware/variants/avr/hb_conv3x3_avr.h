// The convolution kernel of one format, fast for kernels of 3x3 that move pixel
// by pixel over one channel; hb_conv_<format>_avr.c includes it and defines
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
    const int8_t *row[3]; // the channel in the first pixel of each
    int32_t *acc;
    uint8_t pixel; // elements from one pixel to the next
    uint8_t n;     // moves, 1 or more
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

// The three pixels of a row, and on to where the next window has its first.
#define TOUCHING_X(sum, w0, w1, w2)                                            \
    sum(w0, "ld r25, X+\n\t") NEXT(w1, "ld r25, X+\n\t")                       \
        NEXT(w2, "ld r25, X\n\tsbiw r26, 1\n\t")
#define TOUCHING(p, w0, w1, w2)                                                \
    NEXT(w0, "ld r25, " p "+\n\t")                                             \
    NEXT(w1, "ld r25, " p "\n\t") NEXT(w2, "ldd r25, " p "+1\n\t")
#define APART(sum, p, low, high, w0, w1, w2)                                   \
    sum(w0, "ld r25, " p "\n\tadd " low ", r11\n\tadc " high ", r14\n\t")      \
        NEXT(w1, "ld r25, " p "\n\tadd " low ", r11\n\tadc " high ", r14\n\t") \
            NEXT(w2,                                                           \
                 "ld r25, " p "\n\tsub " low ", r11\n\tsbc " high ", r14\n\t")

// r2-r4 sum, r6, r7 acc, r10 moves left, r11 pixel, r12, r13 free, r14 0,
// r16-r24 levels, r25 a pixel; X, Y and Z are in the three rows.
#define HB_MOVE(taps, window)                                                  \
    __asm__ volatile("push r28\n\t"                                            \
                     "push r29\n\t"                                            \
                     "ld r16, Z+\n\t"                                          \
                     "ld r17, Z+\n\t"                                          \
                     "ld r18, Z+\n\t"                                          \
                     "ld r19, Z+\n\t"                                          \
                     "ld r20, Z+\n\t"                                          \
                     "ld r21, Z+\n\t"                                          \
                     "ld r22, Z+\n\t"                                          \
                     "ld r23, Z+\n\t"                                          \
                     "ld r24, Z+\n\t"                                          \
                     "ld r26, Z+\n\t"                                          \
                     "ld r27, Z+\n\t"                                          \
                     "ld r28, Z+\n\t"                                          \
                     "ld r29, Z+\n\t"                                          \
                     "ld r12, Z+\n\t"                                          \
                     "ld r13, Z+\n\t"                                          \
                     "ld r6, Z+\n\t"                                           \
                     "ld r7, Z+\n\t"                                           \
                     "ld r11, Z+\n\t"                                          \
                     "ld r10, Z\n\t"                                           \
                     "movw r30, r12\n\t"                                       \
                     "clr r14\n"                                               \
                     "1:\n\t" window "movw r12, r26\n\t"                       \
                     "movw r26, r6\n\t"                                        \
                     "st X+, r2\n\t"                                           \
                     "st X+, r3\n\t"                                           \
                     "st X+, r4\n\t"                                           \
                     "lsl r4\n\t"                                              \
                     "sbc r4, r4\n\t"                                          \
                     "st X+, r4\n\t"                                           \
                     "movw r6, r26\n\t"                                        \
                     "movw r26, r12\n\t"                                       \
                     "dec r10\n\t"                                             \
                     "breq 2f\n\t"                                             \
                     "rjmp 1b\n"                                               \
                     "2:\n\t"                                                  \
                     "pop r29\n\t"                                             \
                     "pop r28\n\t"                                             \
                     "clr r1\n\t"                                              \
                     : "+z"(taps)                                              \
                     :                                                         \
                     : "r2", "r3", "r4", "r5", "r6", "r7", "r10", "r11",       \
                       "r12", "r13", "r14", "r16", "r17", "r18", "r19", "r20", \
                       "r21", "r22", "r23", "r24", "r25", "r26", "r27",        \
                       "memory")

// Pixels that touch.
static HB_OWN_FRAME void hb_move_by_one(const struct hb_taps *taps)
{
    HB_MOVE(taps, TOUCHING_X(FIRST, "r16", "r17", "r18")
                      TOUCHING("Y", "r19", "r20", "r21")
                          TOUCHING("Z", "r22", "r23", "r24"));
}

static HB_OWN_FRAME void hb_move(const struct hb_taps *taps)
{
    HB_MOVE(taps, APART(FIRST, "X", "r26", "r27", "r16", "r17", "r18")
                      APART(NEXT, "Y", "r28", "r29", "r19", "r20", "r21")
                          APART(NEXT, "Z", "r30", "r31", "r22", "r23", "r24"));
}

#undef FIRST
#undef NEXT

#else

static void hb_move(const struct hb_taps *taps)
{
    for (uint8_t x = 0; x < taps->n; x++) {
        int32_t sum = 0;
        for (uint8_t k = 0; k < 9; k++) {
            const size_t at = (size_t)(x + k % 3) * taps->pixel;
            sum += taps->level[k] * taps->row[k / 3][at];
        }
        taps->acc[x] = sum;
    }
}

static void hb_move_by_one(const struct hb_taps *taps)
{
    hb_move(taps);
}

#endif

// The sum of a window whose first pixel is p, of which some are outside.
static int32_t hb_edge(const struct hb_taps *taps, int p, int n_in)
{
    int32_t sum = 0;
    for (int kx = 0; kx < 3; kx++, p++) {
        if (p >= 0 && p < n_in) {
            const size_t at = (size_t)p * taps->pixel;
            const int8_t *level = taps->level + kx;
            sum += level[0] * taps->row[0][at];
            sum += level[3] * taps->row[1][at];
            sum += level[6] * taps->row[2][at];
        }
    }
    return sum;
}

void HB_CONV(int32_t *acc, const int8_t *const *rows, const HB_ROM uint8_t *w,
             size_t first, const HB_ROM hb_window *window)
{
    const int n_in = (int)window->n_in;
    const uint8_t pad = window->pad;
    const int8_t *row = rows[0];
    for (uint8_t k = 1; k < window->kernel_h && row == NULL; k++) {
        row = rows[k];
    }
    if (window->kernel_h != 3 || window->kernel_w != 3 || window->stride != 1 ||
        window->channels != 1 || window->pixel > UINT8_MAX ||
        window->n_out > UINT8_MAX || row == NULL) {
        HB_PORTABLE(acc, rows, w, first, window);
        return;
    }
    struct hb_taps taps;
    struct hb_codes codes = {w, 0, 0};
    int8_t *level = taps.level;
    for (uint8_t ky = 0; ky < 3; ky++) {
        const int8_t *const in = rows[ky];
        taps.row[ky] = (in == NULL ? row : in) + first;
        for (uint8_t kx = 0; kx < 3; kx++) {
            const int8_t next = HB_NEXT_LEVEL(&codes);
            // A row outside the map is any other, times 0.
            *level++ = in == NULL ? 0 : next;
        }
    }
    taps.pixel = (uint8_t)window->pixel;

    const int n_out = (int)window->n_out;
    int x = 0;
    for (; x < n_out && x < pad; x++) {
        acc[x] = hb_edge(&taps, x - pad, n_in);
    }
    const int end = n_in + pad - 2; // of the windows inside
    const int n = (end < n_out ? end : n_out) - x;
    if (n > 0) {
        taps.acc = acc + x;
        taps.n = (uint8_t)n;
        if (taps.pixel == 1) {
            hb_move_by_one(&taps);
        } else {
            hb_move(&taps);
        }
        x += n;
    }
    for (; x < n_out; x++) {
        acc[x] = hb_edge(&taps, x - pad, n_in);
    }
}
