// What the parts of test_kernels share.
// SPDX-License-Identifier: Apache-2.0

#ifndef TEST_KERNELS_H
#define TEST_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// Each checks one family of kernels against naive.h, and on its own merits.
void test_linear(void);
void test_requant(void);
void test_scores(void);
void test_input(void);
void test_conv(void);
void test_pool(void);
void test_join(void);
void test_norm(void);

// The next number of a fixed pseudo-random sequence, in [lo, hi].
int64_t random_in(int64_t lo, int64_t hi);

#endif
