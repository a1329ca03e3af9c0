// mnist_cnn_dw64_pruned: a network of 7712 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer              op           shape                         format  bytes  range
//   input.resize_area  resize_area  28 x 28 -> 16 x 16            -       0      [0, 255]
//   input              input_shift  16 x 16 -> 16 x 16            -       0      [0, 127]
//   conv1              conv         16 x 16 -> 14 x 14 x 30       int8    270    [-45720, 38608]
//   conv1.mulshift     mulshift     14 x 14 x 30 -> 14 x 14 x 30  -       210    [0, 127]
//   conv2              conv         14 x 14 x 30 -> 12 x 12 x 30  int8    270    [-50038, 42037]
//   conv2.mulshift     mulshift     12 x 12 x 30 -> 12 x 12 x 30  -       210    [0, 127]
//   pool1              maxpool      12 x 12 x 30 -> 6 x 6 x 30    -       0      [0, 127]
//   conv3              conv         6 x 6 x 30 -> 4 x 4 x 30      int8    270    [-80772, 51816]
//   conv3.mulshift     mulshift     4 x 4 x 30 -> 4 x 4 x 30      -       210    [0, 127]
//   pool2              maxpool      4 x 4 x 30 -> 2 x 2 x 30      -       0      [0, 127]
//   fc1                linear       2 x 2 x 30 -> 96              sym2    2880   [-16870, 14100]
//   fc1.maxshift       maxshift     96 -> 96                      -       0      [0, 127]
//   fc2                linear       96 -> 64                      sym4    3072   [-40132, 37211]
//   fc2.maxshift       maxshift     64 -> 64                      -       0      [0, 127]
//   fc3                linear       64 -> 10                      sym4    320    [-11557, 12700]
//
// Flash: 7712 bytes of constants, and the kernels. RAM: 256 bytes of input,
// 508 of arena, 40 of scores.
// Accuracy: 99.35 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network 24dbe413e67d0301.
// Again: halfbyte prune runs/results/mnist-cnn-dw64-s1 --target-instructions 0.51 --structured --score l0 --finetune 40 --seed 1 --set train.distill=0.7 --set name=mnist-cnn-dw64-pruned

#ifndef HB_MNIST_CNN_DW64_PRUNED_H
#define HB_MNIST_CNN_DW64_PRUNED_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "mnist_cnn_dw64_pruned was made for spec version 1: export it again"
#endif

#define HB_MNIST_CNN_DW64_PRUNED_DIGEST "24dbe413e67d0301"
#define HB_MNIST_CNN_DW64_PRUNED_RAW_SIZE 784
#define HB_MNIST_CNN_DW64_PRUNED_INPUT_SIZE 256
#define HB_MNIST_CNN_DW64_PRUNED_SCORES 10
#define HB_MNIST_CNN_DW64_PRUNED_WEIGHT_BYTES 7712
#define HB_MNIST_CNN_DW64_PRUNED_ARENA_BYTES 508

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_CNN_DW64_PRUNED_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_CNN_DW64_PRUNED_RAW_SIZE values, 28 x 28
void hb_mnist_cnn_dw64_pruned_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_CNN_DW64_PRUNED_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_CNN_DW64_PRUNED_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_CNN_DW64_PRUNED_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_cnn_dw64_pruned_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
