// __mulsi3, for clang, whose runtime has no AVR; gcc calls its own, which it
// knows to leave more registers alone.
// SPDX-License-Identifier: Apache-2.0

#ifdef __clang__

// r25:r22 = r25:r22 * r21:r18 modulo 2^32: the ten products of two bytes that
// reach the low four. They are summed in r31:r30:r27:r26.
    .section .text.__mulsi3, "ax", @progbits
    .global __mulsi3
    .type __mulsi3, @function
__mulsi3:
    mul r22, r18 // bytes 0 and 1
    movw r26, r0
    mul r23, r19 // bytes 2 and 3; all at 2 and 3 from here on are added
    movw r30, r0
    mul r22, r20
    add r30, r0
    adc r31, r1
    mul r24, r18
    add r30, r0
    adc r31, r1
    mul r22, r21 // byte 3
    add r31, r0
    mul r25, r18
    add r31, r0
    mul r23, r20
    add r31, r0
    mul r24, r19
    add r31, r0
    mul r22, r19 // bytes 1 and 2, with a carry into 3
    add r27, r0
    adc r30, r1
    clr r1 // leaves the carry alone
    adc r31, r1
    mul r23, r18
    add r27, r0
    adc r30, r1
    clr r1
    adc r31, r1
    movw r22, r26
    movw r24, r30
    ret
    .size __mulsi3, . - __mulsi3

#endif
