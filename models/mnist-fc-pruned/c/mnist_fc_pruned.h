// mnist_fc_pruned: a network of 6694 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer              op           shape               format  bytes  range
//   input.resize_area  resize_area  28 x 28 -> 16 x 16  -       0      [0, 255]
//   input              input_shift  16 x 16 -> 16 x 16  -       0      [0, 127]
//   fc1                linear       16 x 16 -> 128      int4    3471   [-15240, 10541]
//   fc1.maxshift       maxshift     128 -> 128          -       0      [0, 127]
//   fc2                linear       128 -> 96           int4    1903   [-6477, 5334]
//   fc2.maxshift       maxshift     96 -> 96            -       0      [0, 127]
//   fc3                linear       96 -> 64            int4    1047   [-14351, 6096]
//   fc3.maxshift       maxshift     64 -> 64            -       0      [0, 127]
//   fc4                linear       64 -> 10            int4    273    [-7366, 6477]
//
// Flash: 6694 bytes of constants, and the kernels. RAM: 256 bytes of input,
// 512 of arena, 40 of scores.
// Accuracy: 99.33 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network abfc1cadd531f50f.
// Again: halfbyte run mnist-fc-pruned --seed 1

#ifndef HB_MNIST_FC_PRUNED_H
#define HB_MNIST_FC_PRUNED_H

#include "hb.h"
#include "hb_codecs.h"

#if HB_SPEC_VERSION != 1
#error "mnist_fc_pruned was made for spec version 1: export it again"
#endif

#define HB_MNIST_FC_PRUNED_DIGEST "abfc1cadd531f50f"
#define HB_MNIST_FC_PRUNED_RAW_SIZE 784
#define HB_MNIST_FC_PRUNED_INPUT_SIZE 256
#define HB_MNIST_FC_PRUNED_SCORES 10
#define HB_MNIST_FC_PRUNED_WEIGHT_BYTES 6694
#define HB_MNIST_FC_PRUNED_ARENA_BYTES 512

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_FC_PRUNED_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_FC_PRUNED_RAW_SIZE values, 28 x 28
void hb_mnist_fc_pruned_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_FC_PRUNED_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_FC_PRUNED_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_FC_PRUNED_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_fc_pruned_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
