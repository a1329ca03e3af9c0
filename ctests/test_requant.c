// hb_maxshift, hb_shift, hb_mulshift: everywhere they may write; and the same
// for one channel.
// SPDX-License-Identifier: Apache-2.0

#include "check.h"
#include "naive.h"
#include "test_kernels.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_N = 64 };
enum kind { MAXSHIFT, SHIFT, MULSHIFT };
static const char *const names[] = {"maxshift", "shift", "mulshift"};

struct problem {
    enum kind kind;
    int8_t lo, hi;
    size_t n;
    int32_t acc[MAX_N];
    int16_t m[MAX_N];
    int32_t b[MAX_N];
    uint8_t s[MAX_N]; // shift uses the first
};

static int8_t naive_output(const struct problem *p, size_t i)
{
    const int64_t acc = p->acc[i];
    const int s = p->kind == MAXSHIFT
                      ? naive_maxshift_s(p->acc, p->lo, p->hi, p->n)
                      : p->s[p->kind == SHIFT ? 0 : i];
    const int64_t v = p->kind == MAXSHIFT ? acc + naive_half(s)
                      : p->kind == SHIFT  ? acc + p->b[i] + naive_half(s)
                                          : acc * p->m[i] + p->b[i];
    return (int8_t)naive_clamp(naive_floor_shift(v, s), p->lo, p->hi);
}

static void run_kernel(int8_t *y, const int32_t *acc, const struct problem *p)
{
    int16_t *m = copy_of(p->m, p->n * sizeof *m);
    int32_t *b = copy_of(p->b, p->n * sizeof *b);
    uint8_t *s = copy_of(p->s, p->kind == SHIFT ? 1 : p->n);
    if (p->kind == MAXSHIFT) {
        hb_maxshift(y, acc, p->lo, p->hi, p->n);
    } else if (p->kind == SHIFT) {
        hb_shift(y, acc, b, s, p->lo, p->hi, p->n);
    } else {
        hb_mulshift(y, acc, m, b, s, p->lo, p->hi, p->n);
    }
    free(s);
    free(b);
    free(m);
}

static void expect_naive(const int8_t *y, const struct problem *p,
                         const char *where)
{
    for (size_t i = 0; i < p->n; i++) {
        const int8_t want = naive_output(p, i);
        CHECK(y[i] == want, "%s %s: output %lu of %lu is %d not %d, acc %ld",
              names[p->kind], where, (unsigned long)i, (unsigned long)p->n,
              y[i], want, (long)p->acc[i]);
    }
}

static void apart_from_its_sums(const struct problem *p, uint8_t poison)
{
    int32_t *acc = copy_of(p->acc, p->n * sizeof *acc);
    int8_t *y = guard_new(p->n, poison);
    run_kernel(y, acc, p);
    expect_naive(y, p, "disjoint");
    CHECK(memcmp(acc, p->acc, p->n * sizeof *acc) == 0, "%s changed acc",
          names[p->kind]);
    guard_free(y, names[p->kind]);
    free(acc);
}

// y begins `below` bytes in front of acc.
static void over_its_sums(const struct problem *p, size_t below)
{
    const size_t front = (below + 3) / 4 * 4;
    const size_t n_bytes = p->n * sizeof *p->acc;
    uint8_t *memory = guard_new(front + n_bytes, 0x5a);
    int32_t *acc = (int32_t *)(void *)(memory + front);
    int8_t *y = (int8_t *)(memory + front - below);
    memcpy(acc, p->acc, n_bytes);
    run_kernel(y, acc, p);
    expect_naive(y, p, "in place");
    guard_free(memory, names[p->kind]);
}

static void equals_the_naive_one_everywhere(const struct problem *p)
{
    apart_from_its_sums(p, 0x00);
    apart_from_its_sums(p, 0xff);
    for (size_t below = 0; below <= p->n + 4 && p->n <= 9; below++) {
        over_its_sums(p, below);
    }
    over_its_sums(p, 0);
}

// ---- Problems -------------------------------------------------------------

static int64_t random_of_width(int bits)
{
    const int64_t end = ((int64_t)1 << random_in(0, bits)) - 1;
    return random_in(-end, end);
}

// Inputs for which nothing leaves 32 bits.
static struct problem random_problem(enum kind kind, size_t n)
{
    struct problem p = {kind, 0, 127, n, {0}, {0}, {0}, {0}};
    p.hi = random_in(0, 1) ? 127 : 15;
    p.lo = random_in(0, 1) ? (int8_t)-p.hi : 0;
    const int width = (int)random_in(0, 29);
    for (size_t i = 0; i < n; i++) {
        p.s[i] = (uint8_t)random_in(0, 31);
        p.b[i] = (int32_t)random_of_width(29);
        p.m[i] = (int16_t)random_of_width(15);
        p.acc[i] = (int32_t)random_of_width(width);
        const int64_t room = ((int64_t)1 << 30) / (p.m[i] == 0 ? 1 : p.m[i]);
        if (kind == MULSHIFT && llabs(p.acc[i]) > llabs(room)) {
            p.acc[i] = (int32_t)room;
        }
    }
    return p;
}

static void check_one(enum kind kind, int8_t lo, int32_t acc, int16_t m,
                      int32_t b, uint8_t s)
{
    const struct problem p = {kind, lo, 127, 1, {acc}, {m}, {b}, {s}};
    equals_the_naive_one_everywhere(&p);
}

static void ends_of_32_bits_are_exact(void)
{
    const int32_t top = INT32_MAX, bottom = INT32_MIN;
    const int32_t half31 = (int32_t)1 << 30;
    for (int8_t lo = -127; lo <= 0; lo = (int8_t)(lo + 127)) {
        check_one(SHIFT, lo, top, 0, 0, 0);
        check_one(SHIFT, lo, bottom, 0, 0, 0);
        check_one(SHIFT, lo, bottom, 0, 0, 31);
        check_one(SHIFT, lo, bottom, 0, 0, 24);
        check_one(SHIFT, lo, half31 - 1, 0, 0, 31);
        check_one(SHIFT, lo, half31 - 2, 0, 1, 31);
        check_one(SHIFT, lo, -half31, 0, -1, 31);
        check_one(SHIFT, lo, -half31, 0, 0, 31);
        check_one(MULSHIFT, lo, 65535, -32768, 0, 24);
        check_one(MULSHIFT, lo, 65535, INT16_MAX, 0, 24);
        check_one(MULSHIFT, lo, 0, 1, top, 31);
        check_one(MULSHIFT, lo, 0, 1, bottom, 31);
        check_one(MULSHIFT, lo, bottom, 1, 0, 31);
        check_one(MULSHIFT, lo, top, 1, 0, 0);
        check_one(MAXSHIFT, lo, half31, 0, 0, 0);
        check_one(MAXSHIFT, lo, -half31, 0, 0, 0);
        check_one(MAXSHIFT, lo, top - ((int32_t)1 << 23), 0, 0, 0);
    }
}

// Every sum near every power of two: where s steps, and where rounding does.
static void maxshift_steps_where_it_should(void)
{
    for (int k = 0; k < 30; k++) {
        for (int32_t d = -3; d <= 3; d++) {
            const int32_t v = ((int32_t)1 << k) + d;
            check_one(MAXSHIFT, 0, v, 0, 0, 0);
            check_one(MAXSHIFT, -127, v, 0, 0, 0);
            check_one(MAXSHIFT, -127, -v, 0, 0, 0);
        }
    }
}

static void maxshift_is_blind_to_doubling(void)
{
    for (int trial = 0; trial < 200; trial++) {
        struct problem p = random_problem(MAXSHIFT, 1 + (size_t)trial % 20);
        p.acc[0] = p.hi + (int32_t)random_in(0, 1000); // so 2 m > hi
        int8_t y[MAX_N], y_doubled[MAX_N];
        run_kernel(y, p.acc, &p);
        for (size_t i = 0; i < p.n; i++) {
            p.acc[i] *= 2;
        }
        run_kernel(y_doubled, p.acc, &p);
        CHECK(memcmp(y, y_doubled, p.n) == 0, "trial %d", trial);
    }
}

// The first and the last sum are seen too.
static void maxshift_finds_the_maximum_anywhere(void)
{
    for (size_t at = 0; at < 10; at++) {
        for (int negative = 0; negative < 2; negative++) {
            struct problem p = {MAXSHIFT, 0, 127, 10, {0}, {0}, {0}, {0}};
            for (size_t i = 0; i < p.n; i++) {
                p.acc[i] = 100;
            }
            p.acc[at] = negative ? -5000 : 5000;
            equals_the_naive_one_everywhere(&p);
            p.lo = -127;
            equals_the_naive_one_everywhere(&p);
        }
    }
}

// ---- One channel ----------------------------------------------------------

// The problem with one m, b and s for all of its sums, which are its channel's.
static struct problem of_one_channel(struct problem p)
{
    const int64_t room = ((int64_t)1 << 30) / (p.m[0] == 0 ? 1 : p.m[0]);
    for (size_t i = 0; i < p.n; i++) {
        p.m[i] = p.m[0];
        p.b[i] = p.b[0];
        p.s[i] = p.s[0];
        if (p.kind == MULSHIFT && llabs(p.acc[i]) > llabs(room)) {
            p.acc[i] = (int32_t)room;
        }
    }
    return p;
}

static void one_channel_equals_the_naive_one(const struct problem *p,
                                             size_t step)
{
    const size_t n_bytes = p->n > 0 ? (p->n - 1) * step + 1 : 0;
    int32_t *acc = copy_of(p->acc, p->n * sizeof *acc);
    int8_t *y = guard_new(n_bytes, 0x5a);
    if (p->kind == MULSHIFT) {
        hb_mulshift_channel(y, step, acc, p->m, p->b, p->s, p->lo, p->hi, p->n);
    } else if (p->kind == SHIFT) {
        hb_shift_channel(y, step, acc, p->b[0], p->s[0], p->lo, p->hi, p->n);
    } else {
        const uint8_t s = hb_maxshift_exponent(acc, p->lo, p->hi, p->n);
        CHECK(s == naive_maxshift_s(acc, p->lo, p->hi, p->n), "s is %d", s);
        hb_shift_channel(y, step, acc, 0, s, p->lo, p->hi, p->n);
    }
    for (size_t i = 0; i < n_bytes; i++) {
        const int8_t want = i % step == 0 ? naive_output(p, i / step) : 0x5a;
        CHECK(y[i] == want, "%s of one channel: %d not %d", names[p->kind],
              y[i], want);
    }
    guard_free(y, names[p->kind]);
    free(acc);
}

void test_requant(void)
{
    for (int kind = MAXSHIFT; kind <= MULSHIFT; kind++) {
        for (int trial = 0; trial < 600; trial++) {
            const size_t n = (size_t)trial % (trial % 2 ? 10 : MAX_N);
            const struct problem p = random_problem((enum kind)kind, n);
            equals_the_naive_one_everywhere(&p);
            const struct problem q = of_one_channel(p);
            one_channel_equals_the_naive_one(&q, 1 + (size_t)trial % 5);
        }
    }
    ends_of_32_bits_are_exact();
    maxshift_steps_where_it_should();
    maxshift_is_blind_to_doubling();
    maxshift_finds_the_maximum_anywhere();
}
