// mnist_fc_binary: a network of 12552 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer              op           shape               format  bytes  range
//   input.resize_area  resize_area  28 x 28 -> 16 x 16  -       0      [0, 255]
//   input              input_shift  16 x 16 -> 16 x 16  -       0      [0, 127]
//   fc1                linear       16 x 16 -> 176      binary  5632   [-21082, 18669]
//   fc1.maxshift       maxshift     176 -> 176          -       0      [0, 127]
//   fc2                linear       176 -> 160          binary  3520   [-16510, 12192]
//   fc2.maxshift       maxshift     160 -> 160          -       0      [0, 127]
//   fc3                linear       160 -> 160          binary  3200   [-13081, 11176]
//   fc3.maxshift       maxshift     160 -> 160          -       0      [0, 127]
//   fc4                linear       160 -> 10           binary  200    [-15875, 7112]
//
// Flash: 12552 bytes of constants, and the kernels. RAM: 256 bytes of input,
// 816 of arena, 40 of scores.
// Accuracy: 98.78 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network bd51182c95543ac4.
// Again: halfbyte run mnist-fc-binary --seed 1

#ifndef HB_MNIST_FC_BINARY_H
#define HB_MNIST_FC_BINARY_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_fc_binary was made for spec version 1: export it again"
#endif

#define HB_MNIST_FC_BINARY_DIGEST "bd51182c95543ac4"
#define HB_MNIST_FC_BINARY_RAW_SIZE 784
#define HB_MNIST_FC_BINARY_INPUT_SIZE 256
#define HB_MNIST_FC_BINARY_SCORES 10
#define HB_MNIST_FC_BINARY_WEIGHT_BYTES 12552
#define HB_MNIST_FC_BINARY_ARENA_BYTES 816

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_FC_BINARY_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_FC_BINARY_RAW_SIZE values, 28 x 28
void hb_mnist_fc_binary_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_FC_BINARY_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_FC_BINARY_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_FC_BINARY_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_fc_binary_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
