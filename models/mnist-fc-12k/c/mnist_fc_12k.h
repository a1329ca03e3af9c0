// mnist_fc_12k: a network of 12608 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer              op           shape               format  bytes  range
//   input.resize_area  resize_area  28 x 28 -> 16 x 16  -       0      [0, 255]
//   input              input_shift  16 x 16 -> 16 x 16  -       0      [0, 127]
//   fc1                linear       16 x 16 -> 64       sym4    8192   [-49530, 47498]
//   fc1.maxshift       maxshift     64 -> 64            -       0      [0, 127]
//   fc2                linear       64 -> 64            sym4    2048   [-24511, 20066]
//   fc2.maxshift       maxshift     64 -> 64            -       0      [0, 127]
//   fc3                linear       64 -> 64            sym4    2048   [-23876, 21717]
//   fc3.maxshift       maxshift     64 -> 64            -       0      [0, 127]
//   fc4                linear       64 -> 10            sym4    320    [-24003, 20447]
//
// Flash: 12608 bytes of constants, and the kernels. RAM: 256 bytes of input,
// 320 of arena, 40 of scores.
// Accuracy: 99.27 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network 659c73d323fc572d.
// Again: halfbyte run mnist-fc-12k --seed 1

#ifndef HB_MNIST_FC_12K_H
#define HB_MNIST_FC_12K_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_fc_12k was made for spec version 1: export it again"
#endif

#define HB_MNIST_FC_12K_DIGEST "659c73d323fc572d"
#define HB_MNIST_FC_12K_RAW_SIZE 784
#define HB_MNIST_FC_12K_INPUT_SIZE 256
#define HB_MNIST_FC_12K_SCORES 10
#define HB_MNIST_FC_12K_WEIGHT_BYTES 12608
#define HB_MNIST_FC_12K_ARENA_BYTES 320

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_FC_12K_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_FC_12K_RAW_SIZE values, 28 x 28
void hb_mnist_fc_12k_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_FC_12K_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_FC_12K_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_FC_12K_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_fc_12k_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
