// The loop in which most instructions of a ternary layer are spent. Private.
// SPDX-License-Identifier: Apache-2.0
//
// It is stated in C, and for some cores in those same steps: the compilers keep
// too little of it in registers. There, two entries make a turn.

#include "hb_list_mul.h"

// floor(q / 3) for q < 256, in a half of a word: 171 q < 2^16.
#define HB_THIRD(q) ((q) * 171 >> 9)

// Sums of q(k) * x, two in a word.
struct hb_sums {
    uint32_t s0, s1, s2, s3, s4;
};

// The bits of floor(q / 3) in both halves.
#define HB_MASK UINT32_C(0x007f007f)

#if defined(__thumb2__)

#define HB_DIGIT(k)                                                            \
    "mla %[s" #k "], %[q], %[x], %[s" #k "]\n\t"                               \
    "mul %[q], %[q], %[third]\n\t"                                             \
    "and %[q], %[mask], %[q], lsr #9\n\t"
#define HB_ENTRY                                                               \
    "ldrd %[x], %[q], [%[e]], #8\n\t"                                          \
    "ldrh %[q], [%[w], %[q]]\n\t"                                              \
    "orr %[q], %[q], %[q], lsl #8\n\t"                                         \
    "and %[q], %[q], #0x00ff00ff\n\t" HB_DIGIT(0) HB_DIGIT(1) HB_DIGIT(2)      \
        HB_DIGIT(3) "mla %[s4], %[q], %[x], %[s4]\n\t"

static inline void hb_products(struct hb_sums *s, const uint8_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end)
{
    uint32_t x, q, t;
    __asm__("0:\n\t" HB_ENTRY HB_ENTRY "ldr %[t], %[end]\n\t"
            "cmp %[e], %[t]\n\t"
            "bne 0b"
            : [s0] "+r"(s->s0), [s1] "+r"(s->s1), [s2] "+r"(s->s2),
              [s3] "+r"(s->s3), [s4] "+r"(s->s4), [e] "+r"(e), [x] "=&r"(x),
              [q] "=&r"(q), [t] "=&r"(t)
            : [w] "r"(w), [end] "m"(end), [mask] "r"(HB_MASK), [third] "r"(171)
            : "cc", "memory");
}

// gcc -Os leaves no high registers to a Thumb-1 function.
#elif defined(__thumb__) && (defined(__clang__) || !defined(__OPTIMIZE_SIZE__))

#define HB_DIGIT(k)                                                            \
    "movs %[t], r3\n\t"                                                        \
    "muls %[t], r2, %[t]\n\t"                                                  \
    "add %[s" #k "], %[t]\n\t"                                                 \
    "muls r3, %[third], r3\n\t"                                                \
    "lsrs r3, r3, #9\n\t"                                                      \
    "ands r3, r3, %[mask]\n\t"
#define HB_ENTRY                                                               \
    "ldmia %[e]!, {r2, r3}\n\t"                                                \
    "add r3, %[w]\n\t"                                                         \
    "ldrb %[t], [r3, #1]\n\t"                                                  \
    "ldrb r3, [r3]\n\t"                                                        \
    "lsls %[t], %[t], #16\n\t"                                                 \
    "orrs r3, r3, %[t]\n\t" HB_DIGIT(0) HB_DIGIT(1) HB_DIGIT(2)                \
        HB_DIGIT(3) "muls r3, r2, r3\n\t"                                      \
                    "add %[s4], r3\n\t"

static inline void hb_products(struct hb_sums *s, const uint8_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end)
{
    uint32_t t;
    __asm__(".syntax unified\n"
            "0:\n\t" HB_ENTRY HB_ENTRY "ldr %[t], %[end]\n\t"
            "cmp %[e], %[t]\n\t"
            "bne 0b"
            : [s0] "+h"(s->s0), [s1] "+h"(s->s1), [s2] "+h"(s->s2),
              [s3] "+h"(s->s3), [s4] "+h"(s->s4), [e] "+l"(e), [t] "=&l"(t)
            : [w] "hl"(w), [end] "m"(end), [mask] "l"(HB_MASK), [third] "l"(171)
            : "r2", "r3", "cc", "memory");
}

#elif defined(__riscv_mul) || defined(__riscv_zmmul)

#ifdef __riscv_32e // has a register too few
#define HB_BASE "m"
#define HB_ADDRESS                                                             \
    "lw %[t], %[w]\n\t"                                                        \
    "add %[q], %[q], %[t]\n\t"
#else
#define HB_BASE "r"
#define HB_ADDRESS "add %[q], %[q], %[w]\n\t"
#endif
#define HB_DIGIT(k)                                                            \
    "mul %[t], %[q], %[x]\n\t"                                                 \
    "add %[s" #k "], %[s" #k "], %[t]\n\t"                                     \
    "mul %[q], %[q], %[third]\n\t"                                             \
    "srli %[q], %[q], 9\n\t"                                                   \
    "and %[q], %[q], %[mask]\n\t"
#define HB_ENTRY(x, at)                                                        \
    "lw %[q], " #at "(%[e])\n\t" HB_ADDRESS "lw %[x], " #x "(%[e])\n\t"        \
    "lbu %[t], 1(%[q])\n\t"                                                    \
    "lbu %[q], (%[q])\n\t"                                                     \
    "slli %[t], %[t], 16\n\t"                                                  \
    "or %[q], %[q], %[t]\n\t" HB_DIGIT(0) HB_DIGIT(1) HB_DIGIT(2)              \
        HB_DIGIT(3) "mul %[q], %[q], %[x]\n\t"                                 \
                    "add %[s4], %[s4], %[q]\n\t"

static inline void hb_products(struct hb_sums *s, const uint8_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end)
{
    uint32_t x, q, t;
    __asm__(
        "0:\n\t" HB_ENTRY(0, 4) HB_ENTRY(8, 12) "addi %[e], %[e], 16\n\t"
                                                "lw %[t], %[end]\n\t"
                                                "bne %[e], %[t], 0b"
        : [s0] "+r"(s->s0), [s1] "+r"(s->s1), [s2] "+r"(s->s2),
          [s3] "+r"(s->s3), [s4] "+r"(s->s4), [e] "+r"(e), [x] "=&r"(x),
          [q] "=&r"(q), [t] "=&r"(t)
        : [w] HB_BASE(w), [end] "m"(end), [mask] "r"(HB_MASK), [third] "r"(171)
        : "memory");
}

#else

static inline void hb_products(struct hb_sums *s, const uint8_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end)
{
    for (; e != end; e++) {
        const uint32_t x = (uint32_t)e->x;
        uint32_t q = w[e->at] | (uint32_t)w[e->at + 1] << 16;
        s->s0 += q * x;
        q = HB_THIRD(q) & HB_MASK;
        s->s1 += q * x;
        q = HB_THIRD(q) & HB_MASK;
        s->s2 += q * x;
        q = HB_THIRD(q) & HB_MASK;
        s->s3 += q * x;
        q = HB_THIRD(q) & HB_MASK;
        s->s4 += q * x;
    }
}

#endif
