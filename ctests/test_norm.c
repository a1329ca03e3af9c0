// hb_rmsnorm, hb_layernorm.
// SPDX-License-Identifier: Apache-2.0

#include "check.h"
#include "naive.h"
#include "test_kernels.h"

#include <string.h>

enum { POISON = 0x5a, MAX_N = 516 };

typedef void norm_fn(int8_t *, const int8_t *, int32_t, uint8_t, int8_t, int8_t,
                     size_t);

static const int8_t ranges[][2] = {{0, 127}, {-127, 127}, {0, 15}, {-15, 15}};

// The largest whole number whose square is at most v, or 1.
static int64_t naive_root(int64_t v)
{
    int64_t root = 0;
    while ((root + 1) * (root + 1) <= v) {
        root++;
    }
    return root > 0 ? root : 1;
}

static void norm_equals_the_naive_one(norm_fn *norm, int centers, size_t n,
                                      int32_t c, uint8_t s, const int8_t *range)
{
    int8_t *x = guard_new(n, 0), *y = guard_new(n, POISON);
    const int64_t size = random_in(0, 127);
    const int64_t middle = random_in(-127 + size, 127 - size);
    int64_t sum = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = (int8_t)random_in(middle - size, middle + size);
        sum += x[i];
        square += x[i] * x[i];
    }
    int8_t *over = memcpy(guard_new(n, 0), x, n);
    norm(y, x, c, s, range[0], range[1], n);
    norm(over, over, c, s, range[0], range[1], n);
    const int64_t all = (int64_t)n;
    const int64_t r =
        c / naive_root(centers ? all * square - sum * sum : square);
    for (size_t i = 0; i < n; i++) {
        const int64_t d = centers ? all * x[i] - sum : x[i];
        const int64_t want = naive_clamp(
            naive_floor_shift(d * r + naive_half(s), s), range[0], range[1]);
        CHECK(y[i] == want && over[i] == want, "norm of %zu: %d, %d not %lld",
              n, y[i], over[i], (long long)want);
    }
    guard_free(over, "norm");
    guard_free(y, "norm");
    guard_free(x, "norm");
}

// The square of one activation has a whole root.
static void over_its_own_size_it_is_one(int8_t x)
{
    int8_t y = 0;
    hb_rmsnorm(&y, &x, x * INT32_C(256), 8, -127, 127, 1);
    CHECK(y == x, "norm of %d: %d", x, y);
}

void test_norm(void)
{
    for (int8_t x = 1; x < 127; x++) {
        over_its_own_size_it_is_one(x);
    }
    for (int turn = 0; turn < 600; turn++) {
        const size_t n = (size_t)random_in(0, turn % 8 ? 40 : MAX_N);
        const int8_t *range = ranges[turn % 4];
        const uint8_t s = (uint8_t)random_in(0, 24);
        norm_equals_the_naive_one(hb_rmsnorm, 0, n,
                                  (int32_t)random_in(0, INT32_C(1) << 30), s,
                                  range);
        int32_t most = INT32_C(1) << 29; // 2 * sqrt(n) * c <= 2^30
        for (size_t k = 1; k < n; k *= 4) {
            most /= 2;
        }
        norm_equals_the_naive_one(hb_layernorm, 1, n,
                                  (int32_t)random_in(0, most), s, range);
    }
}
