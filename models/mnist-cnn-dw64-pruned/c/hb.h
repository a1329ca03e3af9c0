// All kernels of halfbyte: networks with weights of less than a byte, in C99.
// SPDX-License-Identifier: Apache-2.0
//
// SPEC.md says what every integer is; sections are cited as "SPEC 5.1".
// An activation is an int8_t in [-127, 127]. A sum is an int32_t. Sizes count
// elements, 0 included. Pointers to int32_t or int16_t are aligned for them.
// No kernel allocates, keeps state, divides, or uses floating point.

#ifndef HB_H
#define HB_H

#include <stddef.h>
#include <stdint.h>

#define HB_SPEC_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif

// HB_ROM qualifies constant tables and pointers to them. It is empty but on
// AVR, where program memory is an address space of its own. C++, which has no
// such spaces, may declare the kernels there and call what uses no table.
#if !defined(__AVR__) || defined(__cplusplus)
#define HB_ROM
#elif defined(__clang__)
#define HB_ROM __attribute__((address_space(1)))
#elif defined(__FLASH)
#define HB_ROM __flash
#else
#error "halfbyte on AVR needs the __flash address space: compile as gnu99"
#endif

// Every >> of a negative number below means floor(v / 2^s), SPEC 1.
typedef char
    hb_needs_an_arithmetic_right_shift[((int32_t)-1 >> 1) == -1 ? 1 : -1];

// ---- Input rules, SPEC 2 --------------------------------------------------

// y[oy][ox] = floor(sum / (rows * cols)), sum over the input pixels of the
// parts each shares with the output pixel times its value (SPEC 2.1), where
// rows = in_h / gcd(in_h, out_h) and cols = in_w / gcd(in_w, out_w).
//
//   y      out_h rows of out_w pixels; must not overlap x
//   x      in_h rows of in_w pixels; in_h, in_w >= 1
//   mul,   (sum * mul) >> shift equals the floor for every sum in
//   shift  [0, 255 * rows * cols], and sum * mul < 2^32
//
// uint32 is exact, also for the parts of a line: in_w * out_w < 2^32. What
// begins with zeros takes less time.
void hb_resize_area(uint8_t *y, const uint8_t *x, size_t in_h, size_t in_w,
                    size_t out_h, size_t out_w, uint32_t mul, uint8_t shift);

// y[i] = clamp((x[i] + offset) >> shift), SPEC 2.2.
//
//   y       n activations in [lo, hi]; any y with (char *)y <= (char *)x, so
//           y == x too, or disjoint from x
//   x       n values, the whole range of their type
//   offset  the whole range of int16_t
//   shift   0 ... 15
//
// |x[i] + offset| <= 2^16, so int32 is exact.
void hb_input_shift_u8(int8_t *y, const uint8_t *x, int16_t offset,
                       uint8_t shift, int8_t lo, int8_t hi, size_t n);
void hb_input_shift_i8(int8_t *y, const int8_t *x, int16_t offset,
                       uint8_t shift, int8_t lo, int8_t hi, size_t n);
void hb_input_shift_i16(int8_t *y, const int16_t *x, int16_t offset,
                        uint8_t shift, int8_t lo, int8_t hi, size_t n);

// y[p * channels + c] = clamp((x[c * n_pixels + p] + offset) >> shift): planes,
// one for each channel, to a map, SPEC 2.3.
//
//   y        n_pixels * channels activations in [lo, hi]; must not overlap x
//   x        channels planes of n_pixels values, the whole range of their type
//   offset,  as for hb_input_shift_<type>
//   shift
void hb_input_planes_u8(int8_t *y, const uint8_t *x, int16_t offset,
                        uint8_t shift, int8_t lo, int8_t hi, size_t n_pixels,
                        size_t channels);
void hb_input_planes_i8(int8_t *y, const int8_t *x, int16_t offset,
                        uint8_t shift, int8_t lo, int8_t hi, size_t n_pixels,
                        size_t channels);
void hb_input_planes_i16(int8_t *y, const int16_t *x, int16_t offset,
                         uint8_t shift, int8_t lo, int8_t hi, size_t n_pixels,
                         size_t channels);

// ---- Linear, SPEC 5.1 -----------------------------------------------------
//
// All of them: y[o] = sum over i of level(w[o][i]) * x[i], exact.
//
//   y  n_out sums; must not overlap x or w
//   x  n_in activations in [-127, 127]
//   w  n_out rows; the length of a row stands with each format. Bits and
//      trits past a row's last code do not change a result.
//
// Exact for every n_in up to the number that stands with each format, whatever
// the weights, because |y[o]| <= n_in * 127 * the largest |level| < 2^31. The
// exporter proves longer rows from their real weights (SPEC 6).

// Levels -1, +1. Row: ceil(n_in / 8) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127: n_in <= 16909320.
void hb_linear_binary(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                      size_t n_in, size_t n_out);

// Levels -1, 0, +1. Row: ceil(n_in / 5) bytes, SPEC 4.2.
// |y[o]| <= n_in * 127: n_in <= 16909320.
void hb_linear_ternary(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                       size_t n_in, size_t n_out);

// Levels -3, -1, +1, +3. Row: ceil(n_in / 4) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 3: n_in <= 5636440.
void hb_linear_sym2(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// Levels -15, -13, ..., +15. Row: ceil(n_in / 2) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 15: n_in <= 1127288.
void hb_linear_sym4(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// Levels -8, -7, ..., +7. Row: ceil(n_in / 2) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 8: n_in <= 2113665.
void hb_linear_int4(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// Levels +-1, +-2, +-4, ..., +-128. Row: ceil(n_in / 2) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 128: n_in <= 132104.
void hb_linear_shift4(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                      size_t n_in, size_t n_out);

// The 16 levels of SPEC 3, in [-127, 127]. Row: ceil(n_in / 2) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 127: n_in <= 133144.
void hb_linear_nf4(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                   size_t n_in, size_t n_out);

// Levels -31, -29, ..., +31. Row: ceil(n_in * 5 / 8) bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 31: n_in <= 545461.
void hb_linear_sym5(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// Levels -127, -126, ..., +127. Row: n_in bytes, SPEC 4.1.
// |y[o]| <= n_in * 127 * 127: n_in <= 133144.
void hb_linear_int8(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
                    size_t n_in, size_t n_out);

// ---- Maps, SPEC 5.7 -------------------------------------------------------
//
// A map is height rows of width pixels of channels activations each: element
// (y * width + x) * channels + c. What reads a window of it makes one output
// row at a time, from the kernel_h input rows under it. So a map need not be in
// memory as a whole: its rows may lie in a ring, each from when it is made to
// when it is read for the last time.

// Row y of a map of which `ring` rows are kept: map + (y mod ring) * row_size.
//
//   row_size  elements of a row, width * channels
//   ring      1 or more; the height of the map where all of it is kept
int8_t *hb_row(int8_t *map, size_t row_size, uint16_t ring, uint16_t y);

// rows[j] = row first + j of the map, NULL where there is no such row, for
// j = 0 ... n - 1.
//
//   rows    n pointers
//   map     the last `ring` rows of it, or all; those asked for among them
//   height  of the whole map, at most 32767
void hb_rows(const int8_t **rows, const int8_t *map, size_t row_size,
             uint16_t ring, int16_t first, uint8_t n, uint16_t height);

// What a window reads of its rows, and how it moves. Output pixel x of a row
// reads input pixels x * stride - pad ... x * stride - pad + kernel_w - 1;
// those outside [0, n_in) are not read. The rows are the caller's, and with
// them the vertical stride and padding.
//
// n_in + pad <= 32767, and (n_out - 1) * stride + kernel_w <= 32767.
typedef struct {
    uint16_t n_out;    // pixels of an output row
    uint16_t n_in;     // pixels of an input row
    uint16_t pixel;    // elements from one input pixel to the next
    uint16_t channels; // that are read: of a group for a convolution, else all
    uint8_t kernel_h;  // rows of the window, 1 or more, as the next two
    uint8_t kernel_w;  // pixels of a row of the window
    uint8_t stride;    // input pixels from one output pixel to the next
    uint8_t pad;       // pixels in front of the row that count as 0
} hb_window;

// ---- Convolution, SPEC 5.7 ------------------------------------------------
//
// All of them: one row of one output channel, exact,
//
//   acc[x] = sum over ky, kx, c of
//            level(w[ky][kx][c]) * rows[ky][p * pixel + first + c]
//   where p = x * stride + kx - pad,
//
// and what lies outside the map counts as 0.
//
//   acc     n_out sums; must not overlap the rows or w
//   rows    kernel_h rows of n_in pixels, activations in [-127, 127]; NULL for
//           a row outside the map
//   w       the codes of the output channel, w[ky][kx][c]: a row of n_in =
//           kernel_h * kernel_w * channels codes as in the linear kernel of
//           the format. Bits and trits past its last code do not change a
//           result.
//   first   the first input channel of the output channel's group:
//           first + channels <= pixel
//
// Exact for every n_in up to the number that stands with that linear kernel,
// whatever the weights: a sum has as many products.
void hb_conv_binary(int32_t *acc, const int8_t *const *rows,
                    const HB_ROM uint8_t *w, size_t first,
                    const HB_ROM hb_window *window);
void hb_conv_ternary(int32_t *acc, const int8_t *const *rows,
                     const HB_ROM uint8_t *w, size_t first,
                     const HB_ROM hb_window *window);
void hb_conv_sym2(int32_t *acc, const int8_t *const *rows,
                  const HB_ROM uint8_t *w, size_t first,
                  const HB_ROM hb_window *window);
void hb_conv_sym4(int32_t *acc, const int8_t *const *rows,
                  const HB_ROM uint8_t *w, size_t first,
                  const HB_ROM hb_window *window);
void hb_conv_int4(int32_t *acc, const int8_t *const *rows,
                  const HB_ROM uint8_t *w, size_t first,
                  const HB_ROM hb_window *window);
void hb_conv_shift4(int32_t *acc, const int8_t *const *rows,
                    const HB_ROM uint8_t *w, size_t first,
                    const HB_ROM hb_window *window);
void hb_conv_nf4(int32_t *acc, const int8_t *const *rows,
                 const HB_ROM uint8_t *w, size_t first,
                 const HB_ROM hb_window *window);
void hb_conv_sym5(int32_t *acc, const int8_t *const *rows,
                  const HB_ROM uint8_t *w, size_t first,
                  const HB_ROM hb_window *window);
void hb_conv_int8(int32_t *acc, const int8_t *const *rows,
                  const HB_ROM uint8_t *w, size_t first,
                  const HB_ROM hb_window *window);

// patch[ky][kx][c] = rows[ky][(first + kx) * pixel + c], 0 outside the map: the
// window of one output pixel as a vector, of which a linear kernel makes all
// channels of that pixel (SPEC 5.7).
//
//   patch   kernel_h * kernel_w * pixel activations; must not overlap the rows
//   rows    kernel_h rows of n_in pixels; NULL for a row outside the map
//   first   input pixel under kx = 0, -pad or more
//   window  channels == pixel: no groups
void hb_patch(int8_t *patch, const int8_t *const *rows, int16_t first,
              const HB_ROM hb_window *window);

// ---- Requantizers, SPEC 5.2 to 5.4 ----------------------------------------
//
// All of them: any y with (char *)y <= (char *)acc, so y on the first bytes of
// acc too, or disjoint from acc. Output i is written to byte i after sum i was
// read from bytes 4i ... 4i + 3, and no later sum lies at or below byte i.

// y[i] = clamp(round_shift(acc[i], s)), s the smallest shift >= 0 with
// (m >> s) <= hi, m the largest max(acc, 0) where lo = 0, the largest |acc|
// where lo = -hi.
//
//   y       n activations in [lo, hi]
//   acc     n sums, the whole tensor, |acc[i]| + half(s) < 2^31
//   lo, hi  hi >= 1, lo = 0 or lo = -hi
//
// (m >> (s - 1)) > hi gives half(s) <= m / 2, so |acc[i]| <= 2^30 is enough
// for int32.
void hb_maxshift(int8_t *y, const int32_t *acc, int8_t lo, int8_t hi, size_t n);

// y[i] = clamp(round_shift(acc[i] + b[i], *s)).
//
//   y    n activations in [lo, hi]
//   acc  n sums
//   b    n biases, |acc[i] + b[i]| < 2^31 and acc[i] + b[i] + half(*s) < 2^31
//   s    one shift for the layer, 0 ... 31
void hb_shift(int8_t *y, const int32_t *acc, const HB_ROM int32_t *b,
              const HB_ROM uint8_t *s, int8_t lo, int8_t hi, size_t n);

// y[i] = clamp((acc[i] * m[i] + b[i]) >> s[i]).
//
//   y    n activations in [lo, hi]
//   acc  n sums
//   m    n multipliers, |acc[i] * m[i]| < 2^31
//   b    n biases, half(s[i]) inside, |acc[i] * m[i] + b[i]| < 2^31
//   s    n shifts, each 0 ... 31
void hb_mulshift(int8_t *y, const int32_t *acc, const HB_ROM int16_t *m,
                 const HB_ROM int32_t *b, const HB_ROM uint8_t *s, int8_t lo,
                 int8_t hi, size_t n);

// ---- Requantizers for one channel of a map, SPEC 5.2 to 5.4 ---------------

// The shift that hb_maxshift(y, acc, lo, hi, n) would choose, for sums that
// hb_shift_channel then shifts, channel by channel.
uint8_t hb_maxshift_exponent(const int32_t *acc, int8_t lo, int8_t hi,
                             size_t n);

// y[i * step] = clamp(round_shift(acc[i] + b, s)).
//
//   y    n activations in [lo, hi]; must not overlap acc
//   acc  n sums
//   b    |acc[i] + b| < 2^31 and acc[i] + b + half(s) < 2^31
//   s    0 ... 31
void hb_shift_channel(int8_t *y, size_t step, const int32_t *acc, int32_t b,
                      uint8_t s, int8_t lo, int8_t hi, size_t n);

// y[i * step] = clamp((acc[i] * *m + *b) >> *s).
//
//   y    n activations in [lo, hi]; must not overlap acc
//   acc  n sums
//   m    one multiplier, |acc[i] * *m| < 2^31
//   b    one bias, half(*s) inside, |acc[i] * *m + *b| < 2^31
//   s    one shift, 0 ... 31
void hb_mulshift_channel(int8_t *y, size_t step, const int32_t *acc,
                         const HB_ROM int16_t *m, const HB_ROM int32_t *b,
                         const HB_ROM uint8_t *s, int8_t lo, int8_t hi,
                         size_t n);

// ---- Pooling, SPEC 5.8 to 5.10 --------------------------------------------

// y[x * channels + c] = the largest rows[ky][(x * stride + kx - pad) * pixel
// + c] inside the map, of which there is at least one.
//
//   y     n_out * channels activations; must not overlap the rows
//   rows  kernel_h rows of n_in pixels; NULL for a row outside the map
void hb_maxpool(int8_t *y, const int8_t *const *rows,
                const HB_ROM hb_window *window);

// y[x * channels + c] = floor(sum / area + 1 / 2), the mean rounded half up:
// sum over the window, outside the map 0; area = kernel_h * kernel_w.
//
//   y       n_out * channels activations; must not overlap the rows
//   rows    kernel_h rows of n_in pixels; NULL for a row outside the map
//   base    0 where no activation is below 0, else 127
//   offset  area / 2 + base * area
//   mul,    ((sum + offset) * mul) >> shift is floor((sum + offset) / area) for
//   shift   every sum there can be, in [-base * area, 127 * area]; shift <= 31
//
// 0 <= sum + offset < 2^24, and (sum + offset) * mul < 2^32 by the choice of
// mul, so int32 and uint32 are exact.
void hb_avgpool(int8_t *y, const int8_t *const *rows,
                const HB_ROM hb_window *window, int32_t offset, uint32_t mul,
                uint8_t shift, int8_t base);

// hb_avgpool for any area, by long division: 50 to 100 instructions for each y,
// 410 on AVR.
//
//   area  kernel_h * kernel_w; the others as for hb_avgpool
void hb_avgpool_divide(int8_t *y, const int8_t *const *rows,
                       const HB_ROM hb_window *window, int32_t offset,
                       uint32_t area, int8_t base);

// acc[c] += row[p * n_channels + c] for every pixel p: the sums of a mean over
// the whole map, row by row, for hb_average.
//
//   acc  n_channels sums; must not overlap row
//   row  n_pixels pixels of n_channels activations
//
// |acc[c]| <= 127 * pixels of the map: exact up to 16909320 of them.
void hb_sum_row(int32_t *acc, const int8_t *row, size_t n_pixels,
                size_t n_channels);

// y[i] = floor(acc[i] / area + 1 / 2), the mean rounded half up.
//
//   y       n activations; any y with (char *)y <= (char *)acc, or disjoint
//   acc     n sums, each of area activations
//   offset, mul, shift, base  as for hb_avgpool
void hb_average(int8_t *y, const int32_t *acc, int32_t offset, uint32_t mul,
                uint8_t shift, int8_t base, size_t n);

// hb_average for any area, by long division: 50 to 100 instructions for each y,
// 410 on AVR.
//
//   area  pixels of the map; the others as for hb_average
//
// 0 <= acc[i] + offset < 2^31: with base 0 for area <= 16843009, with base 127
// for area <= 8438049.
void hb_average_divide(int8_t *y, const int32_t *acc, int32_t offset,
                       uint32_t area, int8_t base, size_t n);

// ---- Joining and activation, SPEC 5.11 to 5.14 ----------------------------

// y[i] = clamp(round_shift(a[i] * m[0] + b[i] * m[1], s)).
//
//   y     n activations in [lo, hi]; a, b, or disjoint from them
//   a, b  n activations each
//   m     2 multipliers, the whole range of int16_t
//   s     0 ... 31
//
// |a * m[0] + b * m[1]| < 2^23 and half(s) <= 2^30, so int32 is exact.
void hb_add(int8_t *y, const int8_t *a, const int8_t *b,
            const HB_ROM int16_t *m, uint8_t s, int8_t lo, int8_t hi, size_t n);

// y[p * step + c] = clamp(round_shift(x[p * channels + c] * m, s)): one input
// of a concatenation.
//
//   y     n_pixels * step - (step - channels) elements, from the input's first
//         channel in the output on; the other channels stay as they are. Must
//         not overlap x
//   step  channels of the output, channels or more
//   x     n_pixels pixels of channels activations
//   m     a multiplier, the whole range of int16_t
//   s     0 ... 31
//
// |x * m| < 2^22 and half(s) <= 2^30, so int32 is exact.
void hb_concat(int8_t *y, size_t step, const int8_t *x, int16_t m, uint8_t s,
               int8_t lo, int8_t hi, size_t n_pixels, size_t channels);

// y[i] = table[x[i] - lo].
//
//   y      n activations; y == x, or disjoint from x
//   x      n activations in [lo, hi]
//   table  hi - lo + 1 activations
void hb_lookup(int8_t *y, const int8_t *x, const HB_ROM int8_t *table,
               int8_t lo, size_t n);

// y[i] = clamp(x[i]).
//
//   y  n activations in [lo, hi]; y == x, or disjoint from x
//   x  n activations
void hb_clip(int8_t *y, const int8_t *x, int8_t lo, int8_t hi, size_t n);

// ---- Norms, SPEC 5.15 and 5.16 --------------------------------------------
//
// Both: y[i] = clamp((d[i] * r + half(s)) >> s), r = floor(c / max(root, 1)),
// with one integer root and one integer quotient for the tensor.
//
//   y  n activations in [lo, hi]; y == x, or disjoint from x
//   x  n activations
//   c  0 ... 2^30
//   s  0 ... 30

// d[i] = x[i], root = floor(sqrt(sum of x[i]^2)); |d[i] * r| <= c. n <= 133144.
void hb_rmsnorm(int8_t *y, const int8_t *x, int32_t c, uint8_t s, int8_t lo,
                int8_t hi, size_t n);

// d[i] = n * x[i] - sum of x, root = floor(sqrt(n * sum of x[i]^2 - (sum of
// x[i])^2)); |d[i] * r| <= 2 * sqrt(n) * c, which has to be below 2^31 with
// half(s). n <= 516, so that n * sum of x[i]^2 < 2^32.
void hb_layernorm(int8_t *y, const int8_t *x, int32_t c, uint8_t s, int8_t lo,
                  int8_t hi, size_t n);

// ---- Scores, SPEC 5.5 and 5.6 ---------------------------------------------

// y[i] = acc[i] + b[i].
//
//   y    n sums; y == acc, or disjoint from acc
//   acc  n sums
//   b    n biases, |acc[i] + b[i]| < 2^31
void hb_add_bias(int32_t *y, const int32_t *acc, const HB_ROM int32_t *b,
                 size_t n);

// The lowest i with y[i] the largest of n scores; 0 for n = 0.
size_t hb_argmax(const int32_t *y, size_t n);

#ifdef __cplusplus
}
#endif

#endif
