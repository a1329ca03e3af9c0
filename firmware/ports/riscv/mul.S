// __mulsi3: the multiplication that compilers call on cores without one.
// SPDX-License-Identifier: Apache-2.0

// a0 = a0 * a1 modulo 2^32. Nothing to do where a1 is 0, as many activations
// are; else a turn for each bit of |a0|, where compilers put a weight, which is
// small. Functions of their own take 32 turns for a negative one.
    .section .text.__mulsi3, "ax", @progbits
    .global __mulsi3
    .type __mulsi3, @function
__mulsi3:
    mv a2, a0
    li a0, 0
    beqz a1, 4f
    bgez a2, 1f
    neg a2, a2
    neg a1, a1
1:  andi a3, a2, 1
    beqz a3, 2f
    add a0, a0, a1
2:  srli a2, a2, 1
    slli a1, a1, 1
    bnez a2, 1b
4:  ret
    .size __mulsi3, . - __mulsi3
