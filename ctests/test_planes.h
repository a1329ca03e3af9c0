// The tests of the plane kernels, for test_variants.
// SPDX-License-Identifier: Apache-2.0

#ifndef TEST_PLANES_H
#define TEST_PLANES_H

// Tests all of them, or the one of that name; how many there were.
unsigned long test_planes(const char *name);

#endif
