// The first instructions of a RISC-V image, at its lowest address.
// SPDX-License-Identifier: Apache-2.0

    .section .hb_start, "ax"
    .global hb_reset
    .type hb_reset, @function
hb_reset:
    la sp, hb_stack_top
    call hb_boot
    .size hb_reset, . - hb_reset
