// mnist_fc_shift4: a network of 12608 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer              op           shape               format  bytes  range
//   input.resize_area  resize_area  28 x 28 -> 16 x 16  -       0      [0, 255]
//   input              input_shift  16 x 16 -> 16 x 16  -       0      [0, 127]
//   fc1                linear       16 x 16 -> 64       shift4  8192   [-382651, 323215]
//   fc1.maxshift       maxshift     64 -> 64            -       0      [0, 127]
//   fc2                linear       64 -> 64            shift4  2048   [-130429, 109728]
//   fc2.maxshift       maxshift     64 -> 64            -       0      [0, 127]
//   fc3                linear       64 -> 64            shift4  2048   [-139192, 125984]
//   fc3.maxshift       maxshift     64 -> 64            -       0      [0, 127]
//   fc4                linear       64 -> 10            shift4  320    [-98933, 93853]
//
// Flash: 12608 bytes of constants, and the kernels. RAM: 256 bytes of input,
// 320 of arena, 40 of scores.
// Accuracy: 98.77 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network 9f13af30afc94b86.
// Again: halfbyte run mnist-fc-shift4 --seed 2

#ifndef HB_MNIST_FC_SHIFT4_H
#define HB_MNIST_FC_SHIFT4_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_fc_shift4 was made for spec version 1: export it again"
#endif

#define HB_MNIST_FC_SHIFT4_DIGEST "9f13af30afc94b86"
#define HB_MNIST_FC_SHIFT4_RAW_SIZE 784
#define HB_MNIST_FC_SHIFT4_INPUT_SIZE 256
#define HB_MNIST_FC_SHIFT4_SCORES 10
#define HB_MNIST_FC_SHIFT4_WEIGHT_BYTES 12608
#define HB_MNIST_FC_SHIFT4_ARENA_BYTES 320

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_FC_SHIFT4_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_FC_SHIFT4_RAW_SIZE values, 28 x 28
void hb_mnist_fc_shift4_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_FC_SHIFT4_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_FC_SHIFT4_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_FC_SHIFT4_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_fc_shift4_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
