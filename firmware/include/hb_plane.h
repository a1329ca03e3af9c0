// Planes: one channel of a map by itself, SPEC 7. What the plane kernels of
// all variants take.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_PLANE_H
#define HB_PLANE_H

#include "hb.h"

#ifdef __cplusplus
extern "C" {
#endif

// A plane holds its rows two by two: pixel (y, x) of a map of width pixels is
// element y / 2 * 2 * width + 2 * x + y % 2. An odd last row has one beside it
// of which nothing is read.

// The output rows of a convolution of 3 x 3 pixels with stride 1 and no
// padding, made two at a time, and where they go: pixel (y, x) to element
// y / 2 * out_pair + y % 2 * out_lane + x * out_pixel. Behind a pooling of 2 x
// 2 pixels, y and x are those of the pooled map.
typedef struct {
    uint16_t n_out;   // pixels of a row of the convolution, even
    uint16_t n_pairs; // pairs of its rows
    uint16_t in_pair; // elements from one pair of input rows to the next
    uint16_t out_lane;
    uint16_t out_pixel;
    uint16_t out_pair;
} hb_plane;

// plane = one channel of a map of which all rows are in memory; 0 beside an odd
// last row.
//
//   plane   2 * ceil(height / 2) * width activations; must not overlap the map
//   map     the channel's first activation
//   pixel   elements of the map from one pixel to the next
void hb_zip(int8_t *plane, const int8_t *map, size_t pixel, size_t width,
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
