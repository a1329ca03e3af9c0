// A function that is compiled by itself, not in the middle of what calls it.
// SPDX-License-Identifier: Apache-2.0
//
// These cores have 12 registers to hold values. What runs in a loop needs them
// all, and compilers spill some of them to the stack in a loop if others
// around it want registers too.

#ifndef HB_APART_NOMUL_H
#define HB_APART_NOMUL_H

#define HB_APART __attribute__((noinline)) static

#endif
