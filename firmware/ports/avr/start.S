// The first instructions of an AVR image: the vectors of the ATmega328P, then
// the stack. No interrupt is ever enabled.
// SPDX-License-Identifier: Apache-2.0

#define SPL 0x3d
#define SPH 0x3e
#define SREG 0x3f

    .section .hb_start, "ax", @progbits
    .global hb_reset
    .type hb_vectors, @function
hb_vectors:
    jmp hb_reset
    .rept 25
    jmp hb_fault
    .endr
    .size hb_vectors, . - hb_vectors

    .type hb_reset, @function
hb_reset:
    clr r1 // compilers rely on it
    out SREG, r1
    ldi r28, lo8(hb_stack_top - 1)
    ldi r29, hi8(hb_stack_top - 1)
    out SPH, r29
    out SPL, r28
    jmp hb_boot
    .size hb_reset, . - hb_reset

    .type hb_fault, @function
hb_fault:
    rjmp hb_fault
    .size hb_fault, . - hb_fault
