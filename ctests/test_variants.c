// Kernel variants: the same sums as the portable kernels, from weights in an
// order of their own.
// SPDX-License-Identifier: Apache-2.0

#include "check.h"
#include "columns.h"
#include "hb_avr.h"
#include "hb_mul.h"
#include "hb_nomul.h"
#include "naive.h"
#include "test_planes.h"
#include "test_same.h"

#include <stdlib.h>
#include <string.h>

typedef void variant_fn(int32_t *, const int8_t *, const uint32_t *, size_t,
                        size_t);
typedef size_t pack_fn(uint8_t *, const struct codes *, unsigned);

struct variant {
    const char *name;
    const char *format;
    variant_fn *linear;
    pack_fn *pack;
};

// The kernels of avr read bytes.
#define OF_BYTES(format)                                                       \
    static void format##_avr(int32_t *y, const int8_t *x, const uint32_t *w,   \
                             size_t n_in, size_t n_out)                        \
    {                                                                          \
        hb_linear_##format##_avr(y, x, (const uint8_t *)w, n_in, n_out);       \
    }
OF_BYTES(binary)
OF_BYTES(ternary)
OF_BYTES(sym2)
OF_BYTES(sym4)
OF_BYTES(int4)
OF_BYTES(shift4)
OF_BYTES(nf4)
OF_BYTES(sym5)
OF_BYTES(int8)

static const struct variant variants[] = {
    {"hb_linear_binary_mul", "binary", hb_linear_binary_mul, columns_pack},
    {"hb_linear_sym2_mul", "sym2", hb_linear_sym2_mul, columns_pack},
    {"hb_linear_sym4_mul", "sym4", hb_linear_sym4_mul, columns_pack},
    {"hb_linear_int4_mul", "int4", hb_linear_int4_mul, columns_pack},
    {"hb_linear_shift4_mul", "shift4", hb_linear_shift4_mul, columns_pack},
    {"hb_linear_nf4_mul", "nf4", hb_linear_nf4_mul, columns_pack},
    {"hb_linear_sym5_mul", "sym5", hb_linear_sym5_mul, columns_pack_4_and_1},
    {"hb_linear_int8_mul", "int8", hb_linear_int8_mul, columns_pack_8},
    {"hb_linear_ternary_mul", "ternary", hb_linear_ternary_mul,
     columns_pack_trits},
    {"hb_linear_binary_nomul", "binary", hb_linear_binary_nomul, columns_pack},
    {"hb_linear_sym2_nomul", "sym2", hb_linear_sym2_nomul, columns_pack},
    {"hb_linear_sym4_nomul", "sym4", hb_linear_sym4_nomul, columns_pack},
    {"hb_linear_shift4_nomul", "shift4", hb_linear_shift4_nomul, columns_pack},
    {"hb_linear_nf4_nomul", "nf4", hb_linear_nf4_nomul, columns_pack},
    {"hb_linear_ternary_nomul", "ternary", hb_linear_ternary_nomul,
     columns_pack_trits},
    {"hb_linear_int4_nomul", "int4", hb_linear_int4_nomul, columns_pack},
    {"hb_linear_sym5_nomul", "sym5", hb_linear_sym5_nomul,
     columns_pack_4_and_1},
    {"hb_linear_int8_nomul", "int8", hb_linear_int8_nomul, columns_pack_8},
    {"hb_linear_binary_avr", "binary", binary_avr, blocks_pack_8},
    {"hb_linear_sym2_avr", "sym2", sym2_avr, blocks_pack_8},
    {"hb_linear_sym4_avr", "sym4", sym4_avr, blocks_pack_8},
    {"hb_linear_int4_avr", "int4", int4_avr, blocks_pack_8},
    {"hb_linear_shift4_avr", "shift4", shift4_avr, blocks_pack_4},
    {"hb_linear_nf4_avr", "nf4", nf4_avr, blocks_pack_4},
    {"hb_linear_sym5_avr", "sym5", sym5_avr, blocks_pack_halves},
    {"hb_linear_ternary_avr", "ternary", ternary_avr, blocks_pack_trits},
    {"hb_linear_int8_avr", "int8", int8_avr, blocks_pack_bytes},
};

enum { MAX_IN = 700, MAX_OUT = 80 };

static struct {
    const struct format *f;
    size_t n_in, n_out;
    uint8_t code[MAX_IN * MAX_OUT];
    int8_t x[MAX_IN];
} p;

static int32_t random_in(int32_t lo, int32_t hi)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return lo + (int32_t)((state >> 8) % (uint32_t)(hi - lo + 1));
}

static uint8_t random_code(void)
{
    const uint8_t code = (uint8_t)random_in(0, p.f->n_codes - 1);
    return p.f->n_codes == 256 && code == 128 ? 0 : code;
}

static void equals_the_naive_sums(const struct variant *v, const char *what)
{
    const struct codes codes = {p.code, p.n_out, p.n_in};
    uint8_t *packed = allocate(columns_room(&codes));
    const size_t size = v->pack(packed, &codes, (unsigned)p.f->bits);
    uint32_t *w = copy_of(packed, size); // aligned for any type
    free(packed);
    int8_t *x = copy_of(p.x, p.n_in);
    int32_t *y = guard_new(p.n_out * sizeof *y, 0xa5);
    v->linear(y, x, w, p.n_in, p.n_out);
    CHECK(memcmp(x, p.x, p.n_in) == 0, "%s changed x", v->name);
    for (size_t o = 0; o < p.n_out; o++) {
        int64_t sum = 0;
        for (size_t i = 0; i < p.n_in; i++) {
            sum += (int64_t)p.f->level[p.code[o * p.n_in + i]] * p.x[i];
        }
        CHECK(y[o] == sum, "%s %s n_in %lu n_out %lu row %lu is %ld not %ld",
              v->name, what, (unsigned long)p.n_in, (unsigned long)p.n_out,
              (unsigned long)o, (long)y[o], (long)sum);
    }
    guard_free(y, v->name);
    free(x);
    free(w);
}

// `percent` of the inputs are not 0.
static void of_density(const struct variant *v, int percent, int lo)
{
    for (size_t i = 0; i < p.n_in; i++) {
        const bool zero = random_in(0, 99) >= percent;
        p.x[i] = zero ? 0 : (int8_t)random_in(lo, 127);
    }
    for (size_t k = 0; k < p.n_in * p.n_out; k++) {
        p.code[k] = random_code();
    }
    equals_the_naive_sums(v, "drawn");
}

// All inputs but the last and one more are 0: the longest gaps.
static void far_apart(const struct variant *v)
{
    memset(p.x, 0, p.n_in);
    if (p.n_in > 0) {
        p.x[p.n_in / 4] = (int8_t)random_in(-127, 127);
        p.x[p.n_in - 1] = (int8_t)random_in(-127, 127);
    }
    equals_the_naive_sums(v, "far apart");
}

// Every input and code at an end of its range: what lies packed in a word is as
// near to its bounds as it comes. The first `negative` inputs are -x.
static void at_the_bound(const struct variant *v, uint8_t even, uint8_t odd,
                         size_t negative, int8_t x)
{
    for (size_t i = 0; i < p.n_in; i++) {
        p.x[i] = (int8_t)(i < negative ? -x : x);
        for (size_t o = 0; o < p.n_out; o++) {
            p.code[o * p.n_in + i] = o % 2 == 0 ? even : odd;
        }
    }
    equals_the_naive_sums(v, "at the bound");
}

// Activations that have every power of two among their digits, in turn.
static void of_every_digit(const struct variant *v, uint8_t code, int sign)
{
    memset(p.code, code, p.n_in * p.n_out);
    for (size_t i = 0; i < p.n_in; i++) {
        p.x[i] = (int8_t)(sign * (i % 2 == 0 ? 42 : 85)); // 101010, 1010101
    }
    equals_the_naive_sums(v, "of every digit");
}

static void of_size(const struct variant *v, size_t n_in, size_t n_out)
{
    p.n_in = n_in;
    p.n_out = n_out;
    of_density(v, 0, -127);
    of_density(v, 10, -127);
    of_density(v, 50, 0);
    of_density(v, 100, -127);
    far_apart(v);
    uint8_t first = 0; // the codes of the lowest and the highest level
    uint8_t last = 0;
    for (int c = 0; c < p.f->n_codes; c++) {
        if (p.f->level[c] < p.f->level[first] && p.f->level[c] > -128) {
            first = (uint8_t)c;
        }
        if (p.f->level[c] > p.f->level[last]) {
            last = (uint8_t)c;
        }
    }
    of_every_digit(v, last, 1);
    of_every_digit(v, first, -1);
    const size_t negative[] = {0, n_in / 2, n_in};
    for (size_t k = 0; k < 3; k++) {
        at_the_bound(v, last, last, negative[k], 127);
        at_the_bound(v, first, last, negative[k], 127);
        at_the_bound(v, last, first, negative[k], 127);
        at_the_bound(v, last, last, negative[k], 1); // a list is full of them
    }
}

static void test_variant(const struct variant *v)
{
    static const size_t inputs[] = {0,  1,  2,  3,   4,   5,   7,   8,   9,
                                    15, 16, 17, 31,  32,  33,  34,  35,  36,
                                    63, 64, 65, 128, 129, 171, 173, 300, 520};
    static const size_t outputs[] = {40, 63, 64, 65, 71, 77, 80};
    for (size_t k = 0; k < sizeof inputs / sizeof *inputs; k++) {
        for (size_t n_out = 0; n_out < 36; n_out++) {
            of_size(v, inputs[k], n_out);
        }
    }
    for (size_t k = 0; k < sizeof outputs / sizeof *outputs; k++) {
        of_size(v, 70, outputs[k]);
    }
}

// test_variants [NAME]: all kernels, or one of them.
int main(int argc, char **argv)
{
    unsigned long tested = 0;
    naive_begin();
    for (size_t k = 0; k < sizeof variants / sizeof *variants; k++) {
        const struct variant *v = &variants[k];
        for (size_t f = 0; f < N_FORMATS; f++) {
            if (strcmp(v->format, formats[f].name) == 0 &&
                (argc < 2 || strcmp(argv[1], v->name) == 0)) {
                p.f = &formats[f];
                test_variant(v);
                tested++;
            }
        }
    }
    const unsigned long planes = test_planes(argc > 1 ? argv[1] : NULL);
    CHECK(argc > 1 || tested == sizeof variants / sizeof *variants,
          "%lu variants", tested);
    const unsigned long same = test_same(argc > 1 ? argv[1] : NULL);
    return check_report("variants", tested + planes + same);
}
