// What the plane kernels share: the pixels of two rows, and the requantizer.
// Private.
// SPDX-License-Identifier: Apache-2.0
//
// x = x0 | x1 << 16 has a pixel of either of two rows, and a word of sums has
// an output of either of two rows in its halves. With a column of weights w0,
// w1, w2, x adds to the pair of outputs that begins two rows above it, and to
// the pair that begins with its own rows:
//
//     above, lower half:  w2 * x0              below:  w0 * x0 + w1 * x1
//            upper half:  w1 * x0 + w2 * x1            w0 * x1
//
// The former is (w2 + (w1 << 16)) * x: one multiplication for three products.
// The latter is w0 * x + w1 * x1, or, with the halves of the sums turned, (w0 +
// (w1 << 16)) * (x with its halves turned). A pair of zeros costs a look.
//
// A strip of two columns of outputs is made from the top to the bottom. A row
// of it reads four pairs of pixels: a and b are the outputs above, c and d
// those below, which are the outputs above of the next row.
//
// All is added up mod 2^32, so only what is left at last has to fit. With
// activations in [0, 127] a sum is at least -127 times what the weights below 0
// add up to, and at most 127 times the others. A half begins with the former
// taken off, and so ends in [0, 127 * sum of |w|], which is below 2^16 for a
// sum of |w| up to HB_FITS.

#ifndef HB_PLANE_MUL_H
#define HB_PLANE_MUL_H

#include "hb_plane.h"

// What time is spent in has its sums in registers, and is a function of its own
// for every case: a jump of Thumb-1 has to reach its end.
#if defined(__GNUC__)
#define HB_INLINE static inline __attribute__((always_inline))
#define HB_OUTLINE static __attribute__((noinline))
#else
#define HB_INLINE static inline
#define HB_OUTLINE static
#endif

enum { HB_FITS = 516 }; // 516 * 127 < 2^16

// A column of weights.
struct hb_taps {
    uint32_t lower;  // w2 + (w1 << 16)
    uint32_t upper;  // w0
    uint32_t second; // w1
    uint32_t turned; // w0 + (w1 << 16)
};

HB_INLINE uint32_t hb_halves_turned(uint32_t x)
{
    return x << 16 | x >> 16;
}

// HB_OWN: what sums below are as sums above.
#if defined(__ARM_FEATURE_DSP) || defined(HB_SUMS_OF_64_BITS)

// Both sums in one word of 64 bits: lower * x is exact, and the w1 * x1 in its
// upper half belongs to the sum below. What the sum above carries or borrows on
// the way is gone when it is complete, as it is then in [0, 2^32): so it begins
// like any other where there is no output above.
HB_INLINE void hb_tap(uint32_t x, const struct hb_taps *w, uint32_t *above,
                      uint32_t *below)
{
    const uint64_t sums = (uint64_t)*below << 32 | *above;
    const int64_t products = (int64_t)(int32_t)w->lower * (int32_t)x;
    const uint64_t both = sums + (uint64_t)products;
    *above = (uint32_t)both;
    *below = (uint32_t)(both >> 32) + w->upper * x;
}

#define HB_OWN(sums) (sums)

#elif (defined(__thumb__) && !defined(__thumb2__)) || defined(HB_HALVES_TURNED)

// A rotation is one instruction there.
HB_INLINE void hb_tap(uint32_t x, const struct hb_taps *w, uint32_t *above,
                      uint32_t *below)
{
    *above += w->lower * x;
    *below += w->turned * hb_halves_turned(x);
}

#define HB_OWN(sums) hb_halves_turned(sums)

#else

HB_INLINE void hb_tap(uint32_t x, const struct hb_taps *w, uint32_t *above,
                      uint32_t *below)
{
    *above += w->lower * x;
    *below += w->upper * x;
    *below += w->second * (x >> 16);
}

#define HB_OWN(sums) (sums)

#endif

// hb_pixels: a row of a strip. HB_WEIGHTS: where it wants the weights.
#if defined(__thumb__) && !defined(__thumb2__) &&                              \
    (defined(__clang__) || !defined(__OPTIMIZE_SIZE__))

// hb_tap with its sums in high registers, of which gcc -Os has none.
#define HB_WEIGHTS(w, channel) const struct hb_taps *const w = (channel)->w
#define HB_ADD(weight, x, sum)                                                 \
    "ldr %[t], [%[w], #" #weight "]\n\t"                                       \
    "muls %[t], " #x ", %[t]\n\t"                                              \
    "add %[" #sum "], %[t]\n\t"
#define HB_TURN(x) "rors " #x ", " #x ", %[half]\n\t"
#define HB_UNLESS_0(x)                                                         \
    "cmp " #x ", #0\n\t"                                                       \
    "beq 1f\n\t"

HB_INLINE void hb_pixels(const uint32_t *in, const struct hb_taps *w,
                         uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    uint32_t t;
    __asm__(".syntax unified\n\t"
            "ldmia %[x]!, {r2, r3}\n\t" // clang-format off
            HB_UNLESS_0(r2)
            HB_ADD(0, r2, a)
            HB_TURN(r2)
            HB_ADD(12, r2, c)
            "1:\n\t"
            HB_UNLESS_0(r3)
            HB_ADD(16, r3, a)
            HB_ADD(0, r3, b)
            HB_TURN(r3)
            HB_ADD(28, r3, c)
            HB_ADD(12, r3, d)
            "1:\n\t"
            "ldmia %[x]!, {r2, r3}\n\t"
            HB_UNLESS_0(r2)
            HB_ADD(32, r2, a)
            HB_ADD(16, r2, b)
            HB_TURN(r2)
            HB_ADD(44, r2, c)
            HB_ADD(28, r2, d)
            "1:\n\t"
            HB_UNLESS_0(r3)
            HB_ADD(32, r3, b)
            HB_TURN(r3)
            HB_ADD(44, r3, d)
            "1:" // clang-format on
            : [a] "+h"(*a), [b] "+h"(*b), [c] "+h"(*c), [d] "+h"(*d),
              [x] "+l"(in), [t] "=&l"(t)
            : [w] "l"(w), [half] "l"(16), "m"(*(const uint32_t (*)[4])in),
              "m"(*(const struct hb_taps(*)[3])w)
            : "r2", "r3", "cc");
}

#elif defined(__ARM_FEATURE_DSP)

// hb_tap with its weights from memory, two at a time.
#define HB_WEIGHTS(w, channel) const struct hb_taps *const w = (channel)->w
#define HB_ADD(weights, x, above, below)                                       \
    "ldrd %[l], %[u], [%[w], #" #weights "]\n\t"                               \
    "smlal %[" #above "], %[" #below "], %[l], %[" #x "]\n\t"                  \
    "mla %[" #below "], %[u], %[" #x "], %[" #below "]\n\t"
#define HB_UNLESS_0(x) "cbz %[" #x "], 1f\n\t"

HB_INLINE void hb_pixels(const uint32_t *in, const struct hb_taps *w,
                         uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    uint32_t x, y, l, u;
    __asm__("ldrd %[x], %[y], [%[in]]\n\t" // clang-format off
            HB_UNLESS_0(x)
            HB_ADD(0, x, a, c)
            "1:\n\t"
            HB_UNLESS_0(y)
            HB_ADD(16, y, a, c)
            HB_ADD(0, y, b, d)
            "1:\n\t"
            "ldrd %[x], %[y], [%[in], #8]\n\t"
            HB_UNLESS_0(x)
            HB_ADD(32, x, a, c)
            HB_ADD(16, x, b, d)
            "1:\n\t"
            HB_UNLESS_0(y)
            HB_ADD(32, y, b, d)
            "1:" // clang-format on
            : [a] "+r"(*a), [b] "+r"(*b), [c] "+r"(*c), [d] "+r"(*d),
              [x] "=&l"(x), [y] "=&l"(y), [l] "=&r"(l), [u] "=&r"(u)
            : [w] "r"(w), [in] "r"(in), "m"(*(const uint32_t (*)[4])in),
              "m"(*(const struct hb_taps(*)[3])w));
}

#else

// In registers, as far as there are some. By field: of a whole struct gcc -Os
// makes a call of memcpy.
#define HB_WEIGHTS(w, channel)                                                 \
    const struct hb_taps w[3] = {HB_COLUMN(&(channel)->w[0]),                  \
                                 HB_COLUMN(&(channel)->w[1]),                  \
                                 HB_COLUMN(&(channel)->w[2])}
#define HB_COLUMN(w) {(w)->lower, (w)->upper, (w)->second, (w)->turned}

HB_INLINE void hb_pixels(const uint32_t *x, const struct hb_taps *w,
                         uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    uint32_t v;
    if ((v = x[0]) != 0) {
        hb_tap(v, &w[0], a, c);
    }
    if ((v = x[1]) != 0) {
        hb_tap(v, &w[1], a, c);
        hb_tap(v, &w[0], b, d);
    }
    if ((v = x[2]) != 0) {
        hb_tap(v, &w[2], a, c);
        hb_tap(v, &w[1], b, d);
    }
    if ((v = x[3]) != 0) {
        hb_tap(v, &w[2], b, d);
    }
}

#endif

// A requantizer of sums that begin with some `start`.
struct hb_scale {
    uint32_t mul, add;
    int32_t one; // the least v that is 1 or more behind the shift
    uint32_t hi;
    uint32_t none;  // activation of a sum of zeros
    uint32_t least; // sums below it become 0
    uint32_t right;
};

// clamp((acc * m + b) >> s) of acc = sum - start; 0 unless v reaches 2^s.
HB_INLINE uint32_t hb_scaled(const struct hb_scale *k, uint32_t sum)
{
    const int32_t v = (int32_t)(sum * k->mul + k->add);
    if (v < k->one) {
        return 0;
    }
    const uint32_t y = (uint32_t)v >> k->right;
    return y > k->hi ? k->hi : y;
}

HB_INLINE uint32_t hb_most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

HB_INLINE uint32_t hb_requantized(const struct hb_scale *k, uint32_t sum)
{
    return sum < k->least ? 0 : hb_scaled(k, sum);
}

HB_INLINE void hb_scale_begin(struct hb_scale *k, const HB_ROM int16_t *m,
                              const HB_ROM int32_t *b, const HB_ROM uint8_t *s,
                              int8_t hi, uint32_t start)
{
    k->mul = (uint32_t)*m;
    k->add = (uint32_t)*b - start * k->mul; // takes `start` back
    k->one = (int32_t)((uint32_t)1 << *s);
    k->hi = (uint32_t)hi;
    k->right = *s;
    k->none = hb_scaled(k, start);
    // that of a smaller sum is 0 as well
    k->least = k->none == 0 && *m >= 0 ? start + 1 : 0;
}

// In words apart, what an output has of the pairs of pixels in its own rows (w0
// and w1) begins with `own` taken off, and what it has of those in the rows
// below (w1 and w2) with `below`: two rows of weights, one half each. In one
// word it all begins with `own`.
#define HB_SCALE(k)                                                            \
    {(k)->mul, (k)->add, (k)->one, (k)->hi, (k)->none, (k)->least, (k)->right}

struct hb_channel {
    struct hb_taps w[3];
    struct hb_scale scale;
    uint32_t own, below; // for both halves
    uint32_t start;      // of a whole sum
};

enum hb_fit {
    HB_TOGETHER, // sum of |w| up to HB_FITS
    HB_APART,    // that of the first two rows, and of the last two
    HB_ONE_BY_ONE
};

struct hb_size {
    int32_t sum, negative; // of weights, and of -w below 0; |.| <= 9 * 128
};

HB_INLINE void hb_count(struct hb_size *size, int32_t w)
{
    size->sum += w;
    if (w < 0) {
        size->negative -= w;
    }
}

// Of two rows of weights, whether they fit; 127 * negative.
HB_OUTLINE int hb_count_rows(uint32_t *start, const int16_t *level)
{
    struct hb_size size = {0, 0};
    for (uint8_t i = 0; i < 6; i++) {
        hb_count(&size, level[i]);
    }
    *start = (uint32_t)size.negative * 127;
    return size.sum + 2 * size.negative <= HB_FITS;
}

HB_INLINE void hb_column_begin(struct hb_taps *w, const int16_t *level,
                               struct hb_size *size)
{
    hb_count(size, level[0]);
    hb_count(size, level[3]);
    hb_count(size, level[6]);
    w->upper = (uint32_t)level[0];
    w->second = (uint32_t)level[3];
    w->lower = (uint32_t)level[6] + (w->second << 16);
    w->turned = w->upper + (w->second << 16);
}

HB_INLINE enum hb_fit hb_channel_begin(struct hb_channel *k,
                                       const int16_t *level,
                                       const HB_ROM int16_t *m,
                                       const HB_ROM int32_t *b,
                                       const HB_ROM uint8_t *s, int8_t hi)
{
    struct hb_size size = {0, 0};
    hb_column_begin(&k->w[0], level, &size);
    hb_column_begin(&k->w[1], level + 1, &size);
    hb_column_begin(&k->w[2], level + 2, &size);
    enum hb_fit fit = HB_TOGETHER;
    uint32_t own = (uint32_t)size.negative * 127, below = 0;
    if (size.sum + 2 * size.negative > HB_FITS) {
        const int first = hb_count_rows(&own, level);
        const int last = hb_count_rows(&below, level + 3);
        fit = first && last ? HB_APART : HB_ONE_BY_ONE;
    }
    k->own = own << 16 | own;
    k->below = below << 16 | below;
    k->start = own + below;
    hb_scale_begin(&k->scale, m, b, s, hi, k->start);
    return fit;
}

// The outputs of both rows.
HB_INLINE uint32_t hb_both(const struct hb_scale *k, uint32_t sums)
{
    uint32_t y = 0;
    if (sums >= k->least << 16) {
        y = hb_scaled(k, sums >> 16) << 16;
    }
    sums &= 0xffff;
    if (sums >= k->least) {
        y |= hb_scaled(k, sums);
    }
    return y;
}

// As hb_plane_mul, of sums that fit in no way.
void hb_plane_one_by_one_mul(uint32_t *y, const uint32_t *x,
                             const struct hb_channel *k,
                             const HB_ROM hb_plane *plane);

#endif
