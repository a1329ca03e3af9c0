// mnist_cnn_dw64: a network of 12608 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer              op           shape                         format  bytes  range
//   input.resize_area  resize_area  28 x 28 -> 16 x 16            -       0      [0, 255]
//   input              input_shift  16 x 16 -> 16 x 16            -       0      [0, 127]
//   conv1              conv         16 x 16 -> 14 x 14 x 64       int8    576    [-60706, 51562]
//   conv1.mulshift     mulshift     14 x 14 x 64 -> 14 x 14 x 64  -       448    [0, 127]
//   conv2              conv         14 x 14 x 64 -> 12 x 12 x 64  int8    576    [-52705, 42672]
//   conv2.mulshift     mulshift     12 x 12 x 64 -> 12 x 12 x 64  -       448    [0, 127]
//   pool1              maxpool      12 x 12 x 64 -> 6 x 6 x 64    -       0      [0, 127]
//   conv3              conv         6 x 6 x 64 -> 4 x 4 x 64      int8    576    [-69888, 74295]
//   conv3.mulshift     mulshift     4 x 4 x 64 -> 4 x 4 x 64      -       448    [0, 127]
//   pool2              maxpool      4 x 4 x 64 -> 2 x 2 x 64      -       0      [0, 127]
//   fc1                linear       2 x 2 x 64 -> 96              sym2    6144   [-33676, 30046]
//   fc1.maxshift       maxshift     96 -> 96                      -       0      [0, 127]
//   fc2                linear       96 -> 64                      sym4    3072   [-26416, 28702]
//   fc2.maxshift       maxshift     64 -> 64                      -       0      [0, 127]
//   fc3                linear       64 -> 10                      sym4    320    [-13589, 12827]
//
// Flash: 12608 bytes of constants, and the kernels. RAM: 256 bytes of input,
// 640 of arena, 40 of scores.
// Accuracy: 99.43 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network 12980ff7eb9bdb23.
// Again: halfbyte run mnist-cnn-dw64 --seed 1

#ifndef HB_MNIST_CNN_DW64_H
#define HB_MNIST_CNN_DW64_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_cnn_dw64 was made for spec version 1: export it again"
#endif

#define HB_MNIST_CNN_DW64_DIGEST "12980ff7eb9bdb23"
#define HB_MNIST_CNN_DW64_RAW_SIZE 784
#define HB_MNIST_CNN_DW64_INPUT_SIZE 256
#define HB_MNIST_CNN_DW64_SCORES 10
#define HB_MNIST_CNN_DW64_WEIGHT_BYTES 12608
#define HB_MNIST_CNN_DW64_ARENA_BYTES 640

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_CNN_DW64_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_CNN_DW64_RAW_SIZE values, 28 x 28
void hb_mnist_cnn_dw64_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_CNN_DW64_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_CNN_DW64_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_CNN_DW64_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_cnn_dw64_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
