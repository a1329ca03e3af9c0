// A function that is compiled by itself, not in the middle of what calls it:
// what runs in a loop needs all registers that there are.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_APART_CODECS_H
#define HB_APART_CODECS_H

#if defined(__GNUC__)
#define HB_APART __attribute__((noinline)) static
#else
#define HB_APART static
#endif

#endif
