// tiny: a network of 84 bytes, 5 uint8_t -> 2 scores.
//
//   layer         op           shape   format   bytes  range
//   input         input_shift  5 -> 5  -        0      [0, 127]
//   fc1           linear       5 -> 6  sym4     18     [-6985, 6985]
//   fc1.shift     shift        6 -> 6  -        25     [-127, 127]
//   fc2           linear       6 -> 3  ternary  6      [-635, 427]
//   fc2.mulshift  mulshift     3 -> 3  -        21     [0, 127]
//   out           linear       3 -> 2  int8     6      [-16129, 9652]
//   out.add_bias  add_bias     2 -> 2  -        8      [-15129, 10652]
//
// Flash: 84 bytes of constants, and the kernels. RAM: 5 bytes of input,
// 24 of arena, 8 of scores.
// Accuracy: 97.50 % of 200 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 200 test images.
// Made by halfbyte, spec version 1, from network 295d93e50a018599.
// Again: halfbyte run tiny

#ifndef HB_TINY_H
#define HB_TINY_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "tiny was made for spec version 1: export it again"
#endif

#define HB_TINY_DIGEST "295d93e50a018599"
#define HB_TINY_RAW_SIZE 5
#define HB_TINY_INPUT_SIZE 5
#define HB_TINY_SCORES 2
#define HB_TINY_WEIGHT_BYTES 84
#define HB_TINY_ARENA_BYTES 24

// class 0: no
// class 1: yes

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_TINY_INPUT_SIZE activations; must not overlap raw
//   raw  HB_TINY_RAW_SIZE values, 5
void hb_tiny_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_TINY_SCORES sums; must not overlap x or arena
//   x       HB_TINY_INPUT_SIZE activations, unchanged
//   arena   HB_TINY_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_tiny_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
