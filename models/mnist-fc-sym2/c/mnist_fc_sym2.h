// mnist_fc_sym2: a network of 12400 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer              op           shape               format  bytes  range
//   input.resize_area  resize_area  28 x 28 -> 16 x 16  -       0      [0, 255]
//   input              input_shift  16 x 16 -> 16 x 16  -       0      [0, 127]
//   fc1                linear       16 x 16 -> 112      sym2    7168   [-32639, 27305]
//   fc1.maxshift       maxshift     112 -> 112          -       0      [0, 127]
//   fc2                linear       112 -> 96           sym2    2688   [-16764, 14732]
//   fc2.maxshift       maxshift     96 -> 96            -       0      [0, 127]
//   fc3                linear       96 -> 96            sym2    2304   [-13208, 11430]
//   fc3.maxshift       maxshift     96 -> 96            -       0      [0, 127]
//   fc4                linear       96 -> 10            sym2    240    [-13462, 8128]
//
// Flash: 12400 bytes of constants, and the kernels. RAM: 256 bytes of input,
// 496 of arena, 40 of scores.
// Accuracy: 98.89 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network 9ba5de2114259cd4.
// Again: halfbyte run mnist-fc-sym2 --seed 1

#ifndef HB_MNIST_FC_SYM2_H
#define HB_MNIST_FC_SYM2_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_fc_sym2 was made for spec version 1: export it again"
#endif

#define HB_MNIST_FC_SYM2_DIGEST "9ba5de2114259cd4"
#define HB_MNIST_FC_SYM2_RAW_SIZE 784
#define HB_MNIST_FC_SYM2_INPUT_SIZE 256
#define HB_MNIST_FC_SYM2_SCORES 10
#define HB_MNIST_FC_SYM2_WEIGHT_BYTES 12400
#define HB_MNIST_FC_SYM2_ARENA_BYTES 496

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_FC_SYM2_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_FC_SYM2_RAW_SIZE values, 28 x 28
void hb_mnist_fc_sym2_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_FC_SYM2_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_FC_SYM2_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_FC_SYM2_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_fc_sym2_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
