// The list of the inputs that are not 0, and the loop in assembly that runs a
// block of columns through it. Private.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_LIST_AVR_H
#define HB_LIST_AVR_H

#include "hb_avr.h"
#include "hb_frame_avr.h"

// A list takes 134 bytes of stack; the sum of its x is at most HB_MOST.
enum { HB_ENTRIES = 64, HB_MOST = HB_ENTRIES * 127 };

struct hb_entry {
    uint8_t x;   // 0 ... 127
    uint8_t gap; // bytes from the end of the last entry's column to this one's
};

struct hb_list {
    struct hb_entry entry[HB_ENTRIES];
    uint8_t n;
    int8_t others; // below 0 where an input of the other sign was left out
    uint16_t sum;  // of all x
    size_t next;   // the first input behind those of the list
};

// The place behind the first input that is not 0, which *v becomes; `end`, with
// *v as it was, where all are 0.
static inline const int8_t *hb_skip_zeros(const int8_t *in, const int8_t *end,
                                          int8_t *v)
{
#ifdef __AVR__
    __asm__("1:\n\t"
            "cp %A0, %A2\n\t"
            "cpc %B0, %B2\n\t"
            "breq 2f\n\t"
            "ld %1, %a0+\n\t"
            "tst %1\n\t"
            "breq 1b\n"
            "2:\n\t"
            : "+e"(in), "+r"(*v)
            : "r"(end)
            : "memory");
#else
    while (in < end && *v == 0) {
        *v = *in++;
    }
#endif
    return in;
}

#ifdef __AVR__

// Assembly that moves Z on by a number of bytes, 0 too.
#define HB_SKIP(bytes)                                                         \
    ".if " HB_TEXT(bytes) "\n\tadiw r30, " HB_TEXT(bytes) "\n\t.endif\n\t"
#define HB_TEXT(number) #number

// to[...] = sums over the n entries from e on, with their columns from w on:
// `clear` is run once, `column` for every entry, `again` (one of the two below)
// jumps back to it, and `store` is run at the end. Compilers do not keep that
// many variables in registers.
//
//   r0, r1   product
//   r2-r21   sums
//   r22      x of the entry
//   r23      free; the gap, at first
//   r24      entries left; at the end 0xff
//   r25      0, which `column` has to leave
//   X        the list; at the end `to`
//   Z        w, which `column` has to leave at the end of the column
#define HB_NEAR "brcc 1b\n\t"               // a column of 60 instructions
#define HB_FAR "brcs 3f\n\trjmp 1b\n3:\n\t" // or of more

#define HB_RUN_LIST(to, e, n, w, clear, column, again, store)                  \
    register uint8_t low __asm__("r22") = (uint8_t)(uintptr_t)(to);            \
    register uint8_t high __asm__("r23") = (uint8_t)((uintptr_t)(to) >> 8);    \
    register uint8_t left __asm__("r24") = (n);                                \
    __asm__ volatile("push r22\n\t"                                            \
                     "push r23\n\t"                                            \
                     "clr r25\n\t" clear "rjmp 2f\n"                           \
                     "1:\n\t"                                                  \
                     "ld r22, X+\n\t"                                          \
                     "ld r23, X+\n\t"                                          \
                     "add r30, r23\n\t"                                        \
                     "adc r31, r25\n\t" column "2:\n\t"                        \
                     "subi r24, 1\n\t" again "pop r27\n\t"                     \
                     "pop r26\n\t" store "clr r1\n\t"                          \
                     : "+x"(e), "+z"(w), "+r"(left), "+r"(low), "+r"(high)     \
                     :                                                         \
                     : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10",  \
                       "r11", "r12", "r13", "r14", "r15", "r16", "r17", "r18", \
                       "r19", "r20", "r21", "r25", "memory")

#endif
#endif
