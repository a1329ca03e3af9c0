// Every kernel against a naive one, at every size and overlap that matters.
// SPDX-License-Identifier: Apache-2.0

#include "test_kernels.h"

#include "check.h"
#include "naive.h"

#include <stdlib.h>

int64_t random_in(int64_t lo, int64_t hi)
{
    static uint64_t v = 0x9e3779b97f4a7c15;
    v ^= v << 13;
    v ^= v >> 7;
    v ^= v << 17;
    return lo + (int64_t)((v >> 16) % (uint64_t)(hi - lo + 1));
}

int main(void)
{
    naive_begin();
    test_linear();
    test_requant();
    test_scores();
    test_input();
    test_conv();
    test_pool();
    test_join();
    test_norm();
    return check_report("checks", check_count);
}
