// mnist_cnn_10k: a network of 11199 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer           op           shape                         format  bytes  range
//   input           input_shift  28 x 28 -> 28 x 28            -       0      [0, 127]
//   conv1           conv         28 x 28 -> 28 x 28 x 12       int8    108    [-46228, 42799]
//   conv1.mulshift  mulshift     28 x 28 x 12 -> 28 x 28 x 12  -       84     [0, 127]
//   conv2           conv         28 x 28 x 12 -> 14 x 14 x 16  sym4    864    [-50716, 34895]
//   conv2.mulshift  mulshift     14 x 14 x 16 -> 14 x 14 x 16  -       112    [0, 127]
//   conv3           conv         14 x 14 x 16 -> 14 x 14 x 24  sym4    1728   [-75565, 49784]
//   conv3.mulshift  mulshift     14 x 14 x 24 -> 14 x 14 x 24  -       168    [0, 127]
//   conv4           conv         14 x 14 x 24 -> 7 x 7 x 24    sym4    2592   [-83566, 70739]
//   conv4.mulshift  mulshift     7 x 7 x 24 -> 7 x 7 x 24      -       168    [0, 127]
//   conv5           conv         7 x 7 x 24 -> 7 x 7 x 43      sym4    4644   [-89662, 96266]
//   conv5.mulshift  mulshift     7 x 7 x 43 -> 7 x 7 x 43      -       301    [0, 127]
//   pool1           avgpool      7 x 7 x 43 -> 1 x 1 x 43      -       0      [0, 127]
//   fc1             linear       1 x 1 x 43 -> 10              int8    430    [-96647, 98552]
//
// Flash: 11199 bytes of constants, and the kernels. RAM: 784 bytes of input,
// 3836 of arena, 40 of scores.
// Accuracy: 99.48 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network 4b5ee2cb99d852ce.
// Again: halfbyte run mnist-cnn-10k --seed 2

#ifndef HB_MNIST_CNN_10K_H
#define HB_MNIST_CNN_10K_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_cnn_10k was made for spec version 1: export it again"
#endif

#define HB_MNIST_CNN_10K_DIGEST "4b5ee2cb99d852ce"
#define HB_MNIST_CNN_10K_RAW_SIZE 784
#define HB_MNIST_CNN_10K_INPUT_SIZE 784
#define HB_MNIST_CNN_10K_SCORES 10
#define HB_MNIST_CNN_10K_WEIGHT_BYTES 11199
#define HB_MNIST_CNN_10K_ARENA_BYTES 3836
#define HB_MNIST_CNN_10K_PUSH_BYTES 3922

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_CNN_10K_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_CNN_10K_RAW_SIZE values, 28 x 28
void hb_mnist_cnn_10k_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_CNN_10K_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_CNN_10K_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_CNN_10K_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_cnn_10k_run(int32_t *scores, const int8_t *x, void *arena);

// The same with an input that comes row by row, so that no frame is kept:
// begin, 28 rows from the top, end.
//
//   arena   HB_MNIST_CNN_10K_PUSH_BYTES bytes of scratch, aligned for int32_t,
//           untouched in between
//   raw     28 values
void hb_mnist_cnn_10k_push_begin(void *arena);
void hb_mnist_cnn_10k_push_row(void *arena, const uint8_t *raw);
void hb_mnist_cnn_10k_push_end(int32_t *scores, void *arena);

#ifdef __cplusplus
}
#endif

#endif
