// mnist_fc_int8: a network of 12864 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer              op           shape               format  bytes  range
//   input.resize_area  resize_area  28 x 28 -> 16 x 16  -       0      [0, 255]
//   input              input_shift  16 x 16 -> 16 x 16  -       0      [0, 127]
//   fc1                linear       16 x 16 -> 40       int8    10240  [-226949, 212090]
//   fc1.maxshift       maxshift     40 -> 40            -       0      [0, 127]
//   fc2                linear       40 -> 32            int8    1280   [-80518, 80137]
//   fc2.maxshift       maxshift     32 -> 32            -       0      [0, 127]
//   fc3                linear       32 -> 32            int8    1024   [-98806, 81280]
//   fc3.maxshift       maxshift     32 -> 32            -       0      [0, 127]
//   fc4                linear       32 -> 10            int8    320    [-44958, 42545]
//
// Flash: 12864 bytes of constants, and the kernels. RAM: 256 bytes of input,
// 168 of arena, 40 of scores.
// Accuracy: 98.55 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network 83f848f33e4fdeab.
// Again: halfbyte run mnist-fc-int8 --seed 1

#ifndef HB_MNIST_FC_INT8_H
#define HB_MNIST_FC_INT8_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_fc_int8 was made for spec version 1: export it again"
#endif

#define HB_MNIST_FC_INT8_DIGEST "83f848f33e4fdeab"
#define HB_MNIST_FC_INT8_RAW_SIZE 784
#define HB_MNIST_FC_INT8_INPUT_SIZE 256
#define HB_MNIST_FC_INT8_SCORES 10
#define HB_MNIST_FC_INT8_WEIGHT_BYTES 12864
#define HB_MNIST_FC_INT8_ARENA_BYTES 168

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_FC_INT8_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_FC_INT8_RAW_SIZE values, 28 x 28
void hb_mnist_fc_int8_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_FC_INT8_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_FC_INT8_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_FC_INT8_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_fc_int8_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
