// The first instructions of an RP2040 image in RAM: the boot ROM jumps to its
// lowest address. Vectors follow, aligned as VTOR asks.
// SPDX-License-Identifier: Apache-2.0

    .syntax unified
    .cpu cortex-m0plus
    .section .hb_start, "ax"
    .thumb
    .global hb_reset
    .type hb_reset, %function
    .thumb_func
hb_reset:
    ldr r0, =hb_vectors
    ldr r1, =0xE000ED08
    str r0, [r1]
    ldr r0, =hb_stack_top
    mov sp, r0
    bl hb_boot

    .type hb_fault, %function
    .thumb_func
hb_fault:
    b hb_fault
    .size hb_fault, . - hb_fault
    .pool
    .size hb_reset, . - hb_reset

    .balign 256
    .type hb_vectors, %object
hb_vectors:
    .word hb_stack_top
    .word hb_reset
    .rept 14
    .word hb_fault
    .endr
    .size hb_vectors, . - hb_vectors
