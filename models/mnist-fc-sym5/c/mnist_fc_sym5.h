// mnist_fc_sym5: a network of 12380 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer              op           shape               format  bytes  range
//   input.resize_area  resize_area  28 x 28 -> 16 x 16  -       0      [0, 255]
//   input              input_shift  16 x 16 -> 16 x 16  -       0      [0, 127]
//   fc1                linear       16 x 16 -> 56       sym5    8960   [-80264, 69469]
//   fc1.maxshift       maxshift     56 -> 56            -       0      [0, 127]
//   fc2                linear       56 -> 48            sym5    1680   [-34544, 33782]
//   fc2.maxshift       maxshift     48 -> 48            -       0      [0, 127]
//   fc3                linear       48 -> 48            sym5    1440   [-29210, 28067]
//   fc3.maxshift       maxshift     48 -> 48            -       0      [0, 127]
//   fc4                linear       48 -> 10            sym5    300    [-34036, 31623]
//
// Flash: 12380 bytes of constants, and the kernels. RAM: 256 bytes of input,
// 248 of arena, 40 of scores.
// Accuracy: 99.02 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network b8e78a10d01cad4e.
// Again: halfbyte run mnist-fc-sym5 --seed 1

#ifndef HB_MNIST_FC_SYM5_H
#define HB_MNIST_FC_SYM5_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_fc_sym5 was made for spec version 1: export it again"
#endif

#define HB_MNIST_FC_SYM5_DIGEST "b8e78a10d01cad4e"
#define HB_MNIST_FC_SYM5_RAW_SIZE 784
#define HB_MNIST_FC_SYM5_INPUT_SIZE 256
#define HB_MNIST_FC_SYM5_SCORES 10
#define HB_MNIST_FC_SYM5_WEIGHT_BYTES 12380
#define HB_MNIST_FC_SYM5_ARENA_BYTES 248

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_FC_SYM5_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_FC_SYM5_RAW_SIZE values, 28 x 28
void hb_mnist_fc_sym5_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_FC_SYM5_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_FC_SYM5_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_FC_SYM5_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_fc_sym5_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
