// The loop in which most instructions of a linear layer are spent. Private:
// BITS of a code is defined where it is included.
// SPDX-License-Identifier: Apache-2.0
//
// It is stated in C, and for some cores in those same steps: the compilers keep
// too little of it in registers. There, two entries make a turn.

#include "hb_list_mul.h"

// The lowest codes of the halves of a word.
#define HB_MASK (((1u << BITS) - 1) * UINT32_C(0x00010001))

// Sums of code * x, two in a word. Of 8 codes, which fill a word, s0 is of
// whole words: of all codes, each where it lies.
struct hb_sums {
    uint32_t s0, s1, s2, s3;
};

#define HB_TEXT(x) #x
#define HB_NUMBER(x) HB_TEXT(x)
#define HB_SHIFT(k) HB_TEXT(k) "*" HB_NUMBER(BITS)

#if defined(__thumb2__)

#if BITS == 4
#define HB_LOWEST "mla %[s0], %[c], %[x], %[s0]\n\t"
#define HB_MOVE
#else
#define HB_LOWEST                                                              \
    "and %[c], %[mask]\n\t"                                                    \
    "mla %[s0], %[c], %[x], %[s0]\n\t"
#define HB_MOVE "lsr %[c], %[shift]\n\t"
#endif
#define HB_PRODUCT(k)                                                          \
    "and %[t], %[mask], %[c], lsr #" HB_SHIFT(k) "\n\t"                        \
                                                 "mla %[s" #k                  \
                                                 "], %[t], %[x], %[s" #k       \
                                                 "]\n\t"
#define HB_ENTRY                                                               \
    "ldrd %[x], %[c], [%[e]], #8\n\t"                                          \
    "ldr %[c], [%[w], %[c]]\n\t" HB_MOVE HB_PRODUCT(1) HB_PRODUCT(2)           \
        HB_PRODUCT(3) HB_LOWEST

static inline void hb_products(struct hb_sums *s, const uint32_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end, uint32_t shift)
{
    uint32_t x, c, t;
    __asm__(
        "0:\n\t" HB_ENTRY HB_ENTRY "cmp %[e], %[end]\n\t"
        "bne 0b"
        : [s0] "+r"(s->s0), [s1] "+r"(s->s1), [s2] "+r"(s->s2),
          [s3] "+r"(s->s3), [e] "+r"(e), [x] "=&r"(x), [c] "=&r"(c),
          [t] "=&r"(t)
        : [w] "r"(w), [end] "r"(end), [mask] "r"(HB_MASK), [shift] "r"(shift)
        : "cc", "memory");
}

// gcc -Os leaves no high registers to a Thumb-1 function.
#elif defined(__thumb__) && (defined(__clang__) || !defined(__OPTIMIZE_SIZE__))

#if BITS == 4
#define HB_LOWEST                                                              \
    "muls r3, r2, r3\n\t"                                                      \
    "add %[s0], r3\n\t"
#define HB_MOVE
#else
#define HB_LOWEST                                                              \
    "ands r3, r3, %[mask]\n\t"                                                 \
    "muls r3, r2, r3\n\t"                                                      \
    "add %[s0], r3\n\t"
#define HB_MOVE "lsrs r3, r3, %[shift]\n\t"
#endif
#define HB_PRODUCT(k)                                                          \
    "lsrs %[t], r3, #" HB_SHIFT(k) "\n\t"                                      \
                                   "ands %[t], %[t], %[mask]\n\t"              \
                                   "muls %[t], r2, %[t]\n\t"                   \
                                   "add %[s" #k "], %[t]\n\t"
#define HB_ENTRY                                                               \
    "ldmia %[e]!, {r2, r3}\n\t"                                                \
    "ldr r3, [%[w], r3]\n\t" HB_MOVE HB_PRODUCT(1) HB_PRODUCT(2) HB_PRODUCT(3) \
        HB_LOWEST

static inline void hb_products(struct hb_sums *s, const uint32_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end, uint32_t shift)
{
    uint32_t t;
    __asm__(
        ".syntax unified\n"
        "0:\n\t" HB_ENTRY HB_ENTRY "cmp %[e], %[end]\n\t"
        "bne 0b"
        : [s0] "+h"(s->s0), [s1] "+h"(s->s1), [s2] "+h"(s->s2),
          [s3] "+h"(s->s3), [e] "+l"(e), [t] "=&l"(t)
        : [w] "l"(w), [end] "h"(end), [mask] "l"(HB_MASK), [shift] "l"(shift)
        : "r2", "r3", "cc", "memory");
}

#elif defined(__riscv_mul) || defined(__riscv_zmmul)

#if BITS == 4
#define HB_LOWEST                                                              \
    "mul %[c], %[c], %[x]\n\t"                                                 \
    "add %[s0], %[s0], %[c]\n\t"
#define HB_MOVE
#else
#define HB_LOWEST                                                              \
    "and %[c], %[c], %[mask]\n\t"                                              \
    "mul %[c], %[c], %[x]\n\t"                                                 \
    "add %[s0], %[s0], %[c]\n\t"
#define HB_MOVE "srl %[c], %[c], %[shift]\n\t"
#endif
#define HB_PRODUCT(k)                                                          \
    "srli %[t], %[c], " HB_SHIFT(k) "\n\t"                                     \
                                    "and %[t], %[t], %[mask]\n\t"              \
                                    "mul %[t], %[t], %[x]\n\t"                 \
                                    "add %[s" #k "], %[s" #k "], %[t]\n\t"
#define HB_ENTRY(x, at)                                                        \
    "lw %[c], " #at "(%[e])\n\t"                                               \
    "lw %[x], " #x "(%[e])\n\t"                                                \
    "add %[c], %[c], %[w]\n\t"                                                 \
    "lw %[c], (%[c])\n\t" HB_MOVE HB_PRODUCT(1) HB_PRODUCT(2) HB_PRODUCT(3)    \
        HB_LOWEST

static inline void hb_products(struct hb_sums *s, const uint32_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end, uint32_t shift)
{
    uint32_t x, c, t;
    __asm__(
        "0:\n\t" HB_ENTRY(0, 4) HB_ENTRY(8, 12) "addi %[e], %[e], 16\n\t"
                                                "bne %[e], %[end], 0b"
        : [s0] "+r"(s->s0), [s1] "+r"(s->s1), [s2] "+r"(s->s2),
          [s3] "+r"(s->s3), [e] "+r"(e), [x] "=&r"(x), [c] "=&r"(c),
          [t] "=&r"(t)
        : [w] "r"(w), [end] "r"(end), [mask] "r"(HB_MASK), [shift] "r"(shift)
        : "memory");
}

#else

static inline void hb_products(struct hb_sums *s, const uint32_t *w,
                               const struct hb_entry *e,
                               const struct hb_entry *end, uint32_t shift)
{
    for (; e != end; e++) {
        const uint32_t x = (uint32_t)e->x;
        const uint32_t c = w[e->at / 4] >> shift;
        s->s0 += (BITS == 4 ? c : c & HB_MASK) * x;
        s->s1 += (c >> BITS & HB_MASK) * x;
        s->s2 += (c >> 2 * BITS & HB_MASK) * x;
        s->s3 += (c >> 3 * BITS & HB_MASK) * x;
    }
}

#endif
