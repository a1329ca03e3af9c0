// HB_OWN_FRAME: what keeps a function from being inlined. Private.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_FRAME_AVR_H
#define HB_FRAME_AVR_H

// Beside an array of more than 63 bytes in its frame, avr-gcc takes 7
// instructions for every variable that it keeps there; and assembly that takes
// Y for itself may not share a function with any array.
#ifdef __AVR__
#define HB_OWN_FRAME __attribute__((noinline))
#else
#define HB_OWN_FRAME
#endif

#endif
