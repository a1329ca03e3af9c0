// hb_linear_<format>: every format, around every group size.
// SPDX-License-Identifier: Apache-2.0

#include "check.h"
#include "naive.h"
#include "test_kernels.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_IN = 300, MAX_OUT = 5 };

// A matrix and an input: what a kernel is given, and what packs into it.
struct problem {
    const struct format *f;
    size_t n_in, n_out;
    uint8_t code[MAX_OUT][MAX_IN];
    int8_t x[MAX_IN];
};

static void random_problem(struct problem *p, const struct format *f,
                           size_t n_in, size_t n_out, int largest_x)
{
    p->f = f;
    p->n_in = n_in;
    p->n_out = n_out;
    for (size_t i = 0; i < n_in; i++) {
        p->x[i] = (int8_t)random_in(-largest_x, largest_x);
        for (size_t o = 0; o < n_out; o++) {
            p->code[o][i] = (uint8_t)random_in(0, f->n_codes - 1);
            if (f->n_codes == 256 && p->code[o][i] == 128) {
                p->code[o][i] = 0;
            }
        }
    }
}

static void run_kernel(int32_t *y, const struct problem *p, bool padding)
{
    const size_t row = naive_row_bytes(p->f, p->n_in);
    uint8_t *w = allocate(row * p->n_out);
    for (size_t o = 0; o < p->n_out; o++) {
        naive_pack(w + o * row, p->f, p->code[o], p->n_in, padding);
    }
    int8_t *x = copy_of(p->x, p->n_in);
    p->f->linear(y, x, w, p->n_in, p->n_out);
    CHECK(memcmp(x, p->x, p->n_in) == 0, "%s changed x", p->f->name);
    free(x);
    free(w);
}

static int64_t naive_sum(const struct problem *p, size_t o)
{
    int64_t sum = 0;
    for (size_t i = 0; i < p->n_in; i++) {
        sum += (int64_t)p->f->level[p->code[o][i]] * p->x[i];
    }
    return sum;
}

static void equals_the_naive_sum(const struct problem *p, bool padding,
                                 uint8_t poison)
{
    int32_t *y = guard_new(p->n_out * sizeof *y, poison);
    run_kernel(y, p, padding);
    for (size_t o = 0; o < p->n_out; o++) {
        CHECK(y[o] == naive_sum(p, o), "%s n_in %lu row %lu is %ld not %ld",
              p->f->name, (unsigned long)p->n_in, (unsigned long)o, (long)y[o],
              (long)naive_sum(p, o));
    }
    guard_free(y, p->f->name);
}

static void no_poison_or_padding_changes_it(const struct problem *p)
{
    equals_the_naive_sum(p, false, 0x00);
    equals_the_naive_sum(p, false, 0xff);
    equals_the_naive_sum(p, true, 0x5a);
}

// The first and the last code of each format, with inputs of -127 and 127. For
// int8 codes 0 and 255 are small, so its extremes 127 and -127 are tried too.
static void extremes_are_exact(const struct format *f, size_t n_in)
{
    const uint8_t last = (uint8_t)(f->n_codes - 1);
    const uint8_t codes[] = {0, last, last / 2, (uint8_t)(last / 2 + 2)};
    struct problem p;
    random_problem(&p, f, n_in, sizeof codes, 127);
    for (size_t o = 0; o < sizeof codes; o++) {
        memset(p.code[o], codes[o] > last ? last : codes[o], n_in);
    }
    for (size_t i = 0; i < n_in; i++) {
        p.x[i] = 127;
    }
    no_poison_or_padding_changes_it(&p);
    for (size_t i = 0; i < n_in; i++) {
        p.x[i] = -127;
    }
    no_poison_or_padding_changes_it(&p);
}

static void sums_of_inputs_are_sums_of_outputs(const struct format *f,
                                               size_t n_in)
{
    struct problem p;
    int32_t y1[MAX_OUT], y2[MAX_OUT], both[MAX_OUT];
    random_problem(&p, f, n_in, MAX_OUT, 63);
    run_kernel(y1, &p, false);
    int8_t x1[MAX_IN];
    memcpy(x1, p.x, n_in);
    for (size_t i = 0; i < n_in; i++) {
        p.x[i] = (int8_t)random_in(-63, 63);
    }
    run_kernel(y2, &p, false);
    for (size_t i = 0; i < n_in; i++) {
        p.x[i] = (int8_t)(p.x[i] + x1[i]);
    }
    run_kernel(both, &p, false);
    for (size_t o = 0; o < MAX_OUT; o++) {
        CHECK(both[o] == y1[o] + y2[o], "%s is not additive", f->name);
    }
}

static void order_of_inputs_is_free(const struct format *f, size_t n_in)
{
    struct problem p, q;
    int32_t y[MAX_OUT], y_moved[MAX_OUT];
    random_problem(&p, f, n_in, MAX_OUT, 127);
    q = p;
    for (size_t i = 0; i < n_in; i++) {
        const size_t to = (i + n_in / 2 + 1) % n_in;
        q.x[to] = p.x[i];
        for (size_t o = 0; o < MAX_OUT; o++) {
            q.code[o][to] = p.code[o][i];
        }
    }
    run_kernel(y, &p, false);
    run_kernel(y_moved, &q, false);
    CHECK(memcmp(y, y_moved, sizeof y) == 0, "%s n_in %lu", f->name,
          (unsigned long)n_in);
}

void test_linear(void)
{
    static const size_t larger[] = {63,  64,  65,  127, 128, 129,
                                    255, 256, 257, 299, 300};
    for (size_t k = 0; k < N_FORMATS; k++) {
        for (size_t n = 0; n < 52; n++) {
            const size_t n_in = n <= 40 ? n : larger[n - 41];
            struct problem p;
            for (size_t n_out = 0; n_out <= MAX_OUT; n_out++) {
                random_problem(&p, &formats[k], n_in, n_out, 127);
                no_poison_or_padding_changes_it(&p);
            }
            extremes_are_exact(&formats[k], n_in);
            if (n_in > 0) {
                sums_of_inputs_are_sums_of_outputs(&formats[k], n_in);
                order_of_inputs_is_free(&formats[k], n_in);
            }
        }
    }
}
