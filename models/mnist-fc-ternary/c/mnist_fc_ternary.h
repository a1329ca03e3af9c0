// mnist_fc_ternary: a network of 13126 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer              op           shape               format   bytes  range
//   input.resize_area  resize_area  28 x 28 -> 16 x 16  -        0      [0, 255]
//   input              input_shift  16 x 16 -> 16 x 16  -        0      [0, 127]
//   fc1                linear       16 x 16 -> 128      ternary  6656   [-8128, 7112]
//   fc1.maxshift       maxshift     128 -> 128          -        0      [0, 127]
//   fc2                linear       128 -> 128          ternary  3328   [-7493, 5842]
//   fc2.maxshift       maxshift     128 -> 128          -        0      [0, 127]
//   fc3                linear       128 -> 112          ternary  2912   [-6604, 5715]
//   fc3.maxshift       maxshift     112 -> 112          -        0      [0, 127]
//   fc4                linear       112 -> 10           ternary  230    [-5461, 2032]
//
// Flash: 13126 bytes of constants, and the kernels. RAM: 256 bytes of input,
// 640 of arena, 40 of scores.
// Accuracy: 98.89 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network 2047a5213e3329e4.
// Again: halfbyte run mnist-fc-ternary --seed 2

#ifndef HB_MNIST_FC_TERNARY_H
#define HB_MNIST_FC_TERNARY_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_fc_ternary was made for spec version 1: export it again"
#endif

#define HB_MNIST_FC_TERNARY_DIGEST "2047a5213e3329e4"
#define HB_MNIST_FC_TERNARY_RAW_SIZE 784
#define HB_MNIST_FC_TERNARY_INPUT_SIZE 256
#define HB_MNIST_FC_TERNARY_SCORES 10
#define HB_MNIST_FC_TERNARY_WEIGHT_BYTES 13126
#define HB_MNIST_FC_TERNARY_ARENA_BYTES 640

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_FC_TERNARY_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_FC_TERNARY_RAW_SIZE values, 28 x 28
void hb_mnist_fc_ternary_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_FC_TERNARY_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_FC_TERNARY_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_FC_TERNARY_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_fc_ternary_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
