// mnist_cnn_1k: a network of 1535 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer           op           shape                       format  bytes  range
//   input           input_shift  28 x 28 -> 28 x 28          -       0      [0, 127]
//   conv1           conv         28 x 28 -> 28 x 28 x 4      int8    36     [-29210, 30607]
//   conv1.mulshift  mulshift     28 x 28 x 4 -> 28 x 28 x 4  -       28     [0, 127]
//   conv2           conv         28 x 28 x 4 -> 14 x 14 x 8  sym4    144    [-14478, 12954]
//   conv2.mulshift  mulshift     14 x 14 x 8 -> 14 x 14 x 8  -       56     [0, 127]
//   conv3           conv         14 x 14 x 8 -> 14 x 14 x 8  sym4    288    [-26162, 20066]
//   conv3.mulshift  mulshift     14 x 14 x 8 -> 14 x 14 x 8  -       56     [0, 127]
//   conv4           conv         14 x 14 x 8 -> 7 x 7 x 8    sym4    288    [-20320, 19558]
//   conv4.mulshift  mulshift     7 x 7 x 8 -> 7 x 7 x 8      -       56     [0, 127]
//   conv5           conv         7 x 7 x 8 -> 7 x 7 x 11     sym4    396    [-21844, 21336]
//   conv5.mulshift  mulshift     7 x 7 x 11 -> 7 x 7 x 11    -       77     [0, 127]
//   pool1           avgpool      7 x 7 x 11 -> 1 x 1 x 11    -       0      [0, 127]
//   fc1             linear       1 x 1 x 11 -> 10            int8    110    [-14986, 15621]
//
// Flash: 1535 bytes of constants, and the kernels. RAM: 784 bytes of input,
// 1436 of arena, 40 of scores.
// Accuracy: 99.06 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network 0af951a225458127.
// Again: halfbyte run mnist-cnn-1k --seed 1

#ifndef HB_MNIST_CNN_1K_H
#define HB_MNIST_CNN_1K_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_cnn_1k was made for spec version 1: export it again"
#endif

#define HB_MNIST_CNN_1K_DIGEST "0af951a225458127"
#define HB_MNIST_CNN_1K_RAW_SIZE 784
#define HB_MNIST_CNN_1K_INPUT_SIZE 784
#define HB_MNIST_CNN_1K_SCORES 10
#define HB_MNIST_CNN_1K_WEIGHT_BYTES 1535
#define HB_MNIST_CNN_1K_ARENA_BYTES 1436
#define HB_MNIST_CNN_1K_PUSH_BYTES 1522

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_CNN_1K_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_CNN_1K_RAW_SIZE values, 28 x 28
void hb_mnist_cnn_1k_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_CNN_1K_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_CNN_1K_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_CNN_1K_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_cnn_1k_run(int32_t *scores, const int8_t *x, void *arena);

// The same with an input that comes row by row, so that no frame is kept:
// begin, 28 rows from the top, end.
//
//   arena   HB_MNIST_CNN_1K_PUSH_BYTES bytes of scratch, aligned for int32_t,
//           untouched in between
//   raw     28 values
void hb_mnist_cnn_1k_push_begin(void *arena);
void hb_mnist_cnn_1k_push_row(void *arena, const uint8_t *raw);
void hb_mnist_cnn_1k_push_end(int32_t *scores, void *arena);

#ifdef __cplusplus
}
#endif

#endif
