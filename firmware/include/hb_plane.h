// Planes: one channel of a map by itself, SPEC 7. What the plane kernels of
// all variants take.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_PLANE_H
#define HB_PLANE_H

#include "hb.h"

#ifdef __cplusplus
extern "C" {
#endif

// A plane holds its rows two by two: word y / 2 * width + x has pixel (y, x) of
// an even row in its lower half, that of the row below in its upper half.
// Beside an odd last row there are pixels of which nothing is read.

// A convolution of 3 x 3 pixels with stride 1 and no padding, from plane to
// plane. Behind a pooling of 2 x 2 pixels, out_width is that of the pooled map.
typedef struct {
    uint16_t n_strips; // of two columns of the convolution
    uint16_t n_pairs;  // of its rows
    uint16_t in_width; // pixels of a row
    uint16_t out_width;
    uint8_t pool; // 1: the largest of every 2 x 2 pixels, 0: all of them
} hb_plane;

// plane = one channel of a map of which all rows are in memory; 0 beside an odd
// last row.
//
//   plane   ceil(height / 2) * width words; must not overlap the map
//   map     the channel's first activation, each in [0, 127]
//   pixel   elements of the map from one pixel to the next
void hb_zip(uint32_t *plane, const int8_t *map, size_t pixel, size_t width,
            size_t height);

// span[2 * i], span[2 * i + 1] = the first pair of rows, and how many, of the
// four columns that strip i reads, in which there are all of its pixels but 0;
// n_pairs + 1 and 0 where there is none. n_pairs + 1 < 256.
//
//   span    2 * n_strips numbers
//   x       the plane that a convolution reads
void hb_spans(uint8_t *span, const uint32_t *x, const HB_ROM hb_plane *plane);

// One channel of a map = plane, as for hb_zip.
void hb_unzip(int8_t *map, const uint32_t *plane, size_t pixel, size_t width,
              size_t height);

// level[i] = the level of code i of a row of n codes.
void hb_levels_binary(int16_t *level, const HB_ROM uint8_t *w, size_t n);
void hb_levels_ternary(int16_t *level, const HB_ROM uint8_t *w, size_t n);
void hb_levels_sym2(int16_t *level, const HB_ROM uint8_t *w, size_t n);
void hb_levels_sym4(int16_t *level, const HB_ROM uint8_t *w, size_t n);
void hb_levels_int4(int16_t *level, const HB_ROM uint8_t *w, size_t n);
void hb_levels_shift4(int16_t *level, const HB_ROM uint8_t *w, size_t n);
void hb_levels_nf4(int16_t *level, const HB_ROM uint8_t *w, size_t n);
void hb_levels_sym5(int16_t *level, const HB_ROM uint8_t *w, size_t n);
void hb_levels_int8(int16_t *level, const HB_ROM uint8_t *w, size_t n);

#ifdef __cplusplus
}
#endif

#endif
