// mnist_cnn_4k: a network of 5109 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer           op           shape                         format  bytes  range
//   input           input_shift  28 x 28 -> 28 x 28            -       0      [0, 127]
//   conv1           conv         28 x 28 -> 28 x 28 x 8        int8    72     [-52070, 36449]
//   conv1.mulshift  mulshift     28 x 28 x 8 -> 28 x 28 x 8    -       56     [0, 127]
//   conv2           conv         28 x 28 x 8 -> 14 x 14 x 12   sym4    432    [-25654, 24638]
//   conv2.mulshift  mulshift     14 x 14 x 12 -> 14 x 14 x 12  -       84     [0, 127]
//   conv3           conv         14 x 14 x 12 -> 14 x 14 x 16  sym4    864    [-35560, 30607]
//   conv3.mulshift  mulshift     14 x 14 x 16 -> 14 x 14 x 16  -       112    [0, 127]
//   conv4           conv         14 x 14 x 16 -> 7 x 7 x 16    sym4    1152   [-53340, 44069]
//   conv4.mulshift  mulshift     7 x 7 x 16 -> 7 x 7 x 16      -       112    [0, 127]
//   conv5           conv         7 x 7 x 16 -> 7 x 7 x 25      sym4    1800   [-47244, 60325]
//   conv5.mulshift  mulshift     7 x 7 x 25 -> 7 x 7 x 25      -       175    [0, 127]
//   pool1           avgpool      7 x 7 x 25 -> 1 x 1 x 25      -       0      [0, 127]
//   fc1             linear       1 x 1 x 25 -> 10              int8    250    [-32385, 32131]
//
// Flash: 5109 bytes of constants, and the kernels. RAM: 784 bytes of input,
// 2612 of arena, 40 of scores.
// Accuracy: 99.28 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network 86f26d7327654b7b.
// Again: halfbyte run mnist-cnn-4k --seed 1

#ifndef HB_MNIST_CNN_4K_H
#define HB_MNIST_CNN_4K_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_cnn_4k was made for spec version 1: export it again"
#endif

#define HB_MNIST_CNN_4K_DIGEST "86f26d7327654b7b"
#define HB_MNIST_CNN_4K_RAW_SIZE 784
#define HB_MNIST_CNN_4K_INPUT_SIZE 784
#define HB_MNIST_CNN_4K_SCORES 10
#define HB_MNIST_CNN_4K_WEIGHT_BYTES 5109
#define HB_MNIST_CNN_4K_ARENA_BYTES 2612
#define HB_MNIST_CNN_4K_PUSH_BYTES 2698

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_CNN_4K_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_CNN_4K_RAW_SIZE values, 28 x 28
void hb_mnist_cnn_4k_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_CNN_4K_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_CNN_4K_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_CNN_4K_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_cnn_4k_run(int32_t *scores, const int8_t *x, void *arena);

// The same with an input that comes row by row, so that no frame is kept:
// begin, 28 rows from the top, end.
//
//   arena   HB_MNIST_CNN_4K_PUSH_BYTES bytes of scratch, aligned for int32_t,
//           untouched in between
//   raw     28 values
void hb_mnist_cnn_4k_push_begin(void *arena);
void hb_mnist_cnn_4k_push_row(void *arena, const uint8_t *raw);
void hb_mnist_cnn_4k_push_end(int32_t *scores, void *arena);

#ifdef __cplusplus
}
#endif

#endif
