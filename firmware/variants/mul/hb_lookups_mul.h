// The loop in which most instructions are spent of a linear layer whose codes
// are looked up. Private.
// SPDX-License-Identifier: Apache-2.0
//
// It is stated in C, and for some cores in those same steps: the compilers keep
// too little of it in registers. There, two entries make a turn.

#include "hb_list_mul.h"

#if (defined(__riscv_mul) || defined(__riscv_zmmul)) && !defined(__riscv_32e)
#define HB_OUTPUTS 8
#else
#define HB_OUTPUTS 4 // for a second set of sums there are too few registers
#endif

struct hb_sums {
    int32_t s0, s1, s2, s3;
#if HB_OUTPUTS == 8
    int32_t s4, s5, s6, s7;
#endif
};

#if defined(__thumb2__)

#define HB_PRODUCT(k)                                                          \
    "ubfx %[t], %[c], #4*" #k ", #4\n\t"                                       \
    "ldrsh %[t], [%[level], %[t], lsl #1]\n\t"                                 \
    "mla %[s" #k "], %[t], %[x], %[s" #k "]\n\t"
#define HB_ENTRY                                                               \
    "ldrd %[x], %[c], [%[e]], #8\n\t"                                          \
    "ldrh %[c], [%[w], %[c]]\n\t" HB_PRODUCT(0) HB_PRODUCT(1) HB_PRODUCT(2)    \
        HB_PRODUCT(3)

static inline void hb_products(struct hb_sums *s, const uint8_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end, const int16_t *level)
{
    uint32_t x, c, t;
    __asm__("0:\n\t" HB_ENTRY HB_ENTRY "cmp %[e], %[end]\n\t"
            "bne 0b"
            : [s0] "+r"(s->s0), [s1] "+r"(s->s1), [s2] "+r"(s->s2),
              [s3] "+r"(s->s3), [e] "+r"(e), [x] "=&r"(x), [c] "=&r"(c),
              [t] "=&r"(t)
            : [w] "r"(w), [end] "r"(end), [level] "r"(level)
            : "cc", "memory");
}

// gcc -Os leaves no high registers to a Thumb-1 function.
#elif defined(__thumb__) && (defined(__clang__) || !defined(__OPTIMIZE_SIZE__))

#define HB_PRODUCT(k, shift)                                                   \
    shift "ands %[t], %[t], %[mask]\n\t"                                       \
          "ldrsh %[t], [%[level], %[t]]\n\t"                                   \
          "muls %[t], r2, %[t]\n\t"                                            \
          "add %[s" #k "], %[t]\n\t"
#define HB_NEXT(k) HB_PRODUCT(k, "lsrs %[t], r3, #4*" #k "-1\n\t")
#define HB_ENTRY                                                               \
    "ldmia %[e]!, {r2, r3}\n\t"                                                \
    "ldrh r3, [%[w], r3]\n\t" HB_PRODUCT(0, "lsls %[t], r3, #1\n\t")           \
        HB_NEXT(1) HB_NEXT(2) HB_NEXT(3)

static inline void hb_products(struct hb_sums *s, const uint8_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end, const int16_t *level)
{
    uint32_t t;
    __asm__(".syntax unified\n"
            "0:\n\t" HB_ENTRY HB_ENTRY "cmp %[e], %[end]\n\t"
            "bne 0b"
            : [s0] "+h"(s->s0), [s1] "+h"(s->s1), [s2] "+h"(s->s2),
              [s3] "+h"(s->s3), [e] "+l"(e), [t] "=&l"(t)
            : [w] "l"(w), [end] "h"(end), [level] "l"(level), [mask] "l"(30)
            : "r2", "r3", "cc", "memory");
}

#elif defined(__riscv_mul) || defined(__riscv_zmmul)

#define HB_PRODUCT(k, shift)                                                   \
    shift "andi %[t], %[t], 30\n\t"                                            \
          "add %[t], %[t], %[level]\n\t"                                       \
          "lh %[t], (%[t])\n\t"                                                \
          "mul %[t], %[t], %[x]\n\t"                                           \
          "add %[s" #k "], %[s" #k "], %[t]\n\t"
#define HB_NEXT(k) HB_PRODUCT(k, "srli %[t], %[c], 4*" #k "-1\n\t")
#define HB_FOUR                                                                \
    HB_PRODUCT(0, "slli %[t], %[c], 1\n\t") HB_NEXT(1) HB_NEXT(2) HB_NEXT(3)
#if HB_OUTPUTS == 8
#define HB_CODES "lw"
#define HB_ALL HB_FOUR HB_NEXT(4) HB_NEXT(5) HB_NEXT(6) HB_NEXT(7)
#else
#define HB_CODES "lhu"
#define HB_ALL HB_FOUR
#endif
#define HB_ENTRY(x, at)                                                        \
    "lw %[c], " #at "(%[e])\n\t"                                               \
    "lw %[x], " #x "(%[e])\n\t"                                                \
    "add %[c], %[c], %[w]\n\t" HB_CODES " %[c], (%[c])\n\t" HB_ALL

static inline void hb_products(struct hb_sums *s, const uint8_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end, const int16_t *level)
{
    uint32_t x, c, t;
    __asm__(
        "0:\n\t" HB_ENTRY(0, 4) HB_ENTRY(8, 12) "addi %[e], %[e], 16\n\t"
                                                "bne %[e], %[end], 0b"
        :
        [s0] "+r"(s->s0), [s1] "+r"(s->s1), [s2] "+r"(s->s2), [s3] "+r"(s->s3),
#if HB_OUTPUTS == 8
        [s4] "+r"(s->s4), [s5] "+r"(s->s5), [s6] "+r"(s->s6), [s7] "+r"(s->s7),
#endif
        [e] "+r"(e), [x] "=&r"(x), [c] "=&r"(c), [t] "=&r"(t)
        : [w] "r"(w), [end] "r"(end), [level] "r"(level)
        : "memory");
}

#else

static inline void hb_products(struct hb_sums *s, const uint8_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end, const int16_t *level)
{
    for (; e != end; e++) {
        const uint8_t low = w[e->at], high = w[e->at + 1];
        s->s0 += level[low & 15] * e->x;
        s->s1 += level[low >> 4] * e->x;
        s->s2 += level[high & 15] * e->x;
        s->s3 += level[high >> 4] * e->x;
    }
}

#endif
