// The vector table of a Cortex-M image, at its lowest address. No interrupt is
// ever enabled, so the 16 vectors of the core are all there are.
// SPDX-License-Identifier: Apache-2.0

    .syntax unified
    .section .hb_start, "a"
    .word hb_stack_top
    .word hb_reset
    .rept 14
    .word hb_fault
    .endr

    .text
    .thumb
    .global hb_reset
    .type hb_reset, %function
    .thumb_func
hb_reset:
    bl hb_boot
    .size hb_reset, . - hb_reset

    .type hb_fault, %function
    .thumb_func
hb_fault:
    b hb_fault
    .size hb_fault, . - hb_fault
