// hb_add_bias and hb_argmax.
// SPDX-License-Identifier: Apache-2.0

#include "check.h"
#include "hb.h"
#include "test_kernels.h"

#include <stdlib.h>

enum { MAX_N = 70, HALF = 0x3fffffff };

static void check_bias(const int32_t *acc, const int32_t *b, size_t n)
{
    int32_t *sums = guard_new(n * sizeof *sums, 0x00);
    int32_t *y = guard_new(n * sizeof *y, 0xff);
    for (size_t i = 0; i < n; i++) {
        sums[i] = acc[i];
    }
    hb_add_bias(y, sums, b, n);
    hb_add_bias(sums, sums, b, n);
    for (size_t i = 0; i < n; i++) {
        const int64_t want = (int64_t)acc[i] + b[i];
        CHECK(y[i] == want, "%ld + %ld", (long)acc[i], (long)b[i]);
        CHECK(sums[i] == want, "in place: %ld + %ld", (long)acc[i], (long)b[i]);
    }
    guard_free(y, "add_bias");
    guard_free(sums, "add_bias");
}

static void bias_is_added(size_t n)
{
    int32_t acc[MAX_N], b[MAX_N];
    for (size_t i = 0; i < n; i++) {
        acc[i] = (int32_t)random_in(-HALF, HALF);
        b[i] = (int32_t)random_in(-HALF, HALF);
    }
    check_bias(acc, b, n);
}

static void bias_reaches_the_ends_of_32_bits(void)
{
    const int32_t acc[] = {INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, -1};
    const int32_t b[] = {0, 0, INT32_MIN, INT32_MAX, INT32_MIN + 1};
    check_bias(acc, b, sizeof acc / sizeof *acc);
}

// Few different scores, so that the largest comes more than once.
static void argmax_takes_the_lowest_index(size_t n)
{
    int32_t scores[MAX_N] = {0};
    for (size_t i = 0; i < n; i++) {
        scores[i] = (int32_t)random_in(-3, 0) * 100000000;
    }
    int32_t *y = copy_of(scores, n * sizeof *y);
    const size_t best = hb_argmax(y, n);
    CHECK(n == 0 ? best == 0 : best < n, "%lu", (unsigned long)best);
    for (size_t i = 0; i < n; i++) {
        CHECK(i < best ? y[i] < y[best] : y[i] <= y[best], "%lu of %lu",
              (unsigned long)best, (unsigned long)n);
    }
    free(y);
}

static void argmax_sees_every_index(void)
{
    for (size_t n = 1; n < 12; n++) {
        for (size_t at = 0; at < n; at++) {
            int32_t y[12];
            for (size_t i = 0; i < n; i++) {
                y[i] = i == at ? INT32_MAX : INT32_MIN;
            }
            CHECK(hb_argmax(y, n) == at, "%lu of %lu", (unsigned long)at,
                  (unsigned long)n);
        }
    }
}

void test_scores(void)
{
    for (size_t n = 0; n < MAX_N; n++) {
        bias_is_added(n);
        argmax_takes_the_lowest_index(n);
    }
    bias_reaches_the_ends_of_32_bits();
    argmax_sees_every_index();
}
