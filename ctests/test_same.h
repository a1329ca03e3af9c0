// Kernels of variants that take what the portable ones take.
// SPDX-License-Identifier: Apache-2.0

#ifndef TEST_SAME_H
#define TEST_SAME_H

// Tests the kernel of that name, or all of them; how many they are.
unsigned long test_same(const char *name);

#endif
