// fashion_cnn: a network of 12288 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer           op           shape                         format  bytes  range
//   input           input_shift  28 x 28 -> 28 x 28            -       0      [0, 127]
//   conv1           conv         28 x 28 -> 28 x 28 x 12       int8    108    [-65151, 44196]
//   conv1.mulshift  mulshift     28 x 28 x 12 -> 28 x 28 x 12  -       84     [0, 127]
//   conv2           conv         28 x 28 x 12 -> 14 x 14 x 18  sym4    972    [-47597, 47415]
//   conv2.mulshift  mulshift     14 x 14 x 18 -> 14 x 14 x 18  -       126    [0, 127]
//   conv3           conv         14 x 14 x 18 -> 14 x 14 x 24  sym4    1944   [-88900, 67945]
//   conv3.mulshift  mulshift     14 x 14 x 24 -> 14 x 14 x 24  -       168    [0, 127]
//   conv4           conv         14 x 14 x 24 -> 7 x 7 x 26    sym4    2808   [-103124, 97536]
//   conv4.mulshift  mulshift     7 x 7 x 26 -> 7 x 7 x 26      -       182    [0, 127]
//   conv5           conv         7 x 7 x 26 -> 7 x 7 x 44      sym4    5148   [-122682, 127000]
//   conv5.mulshift  mulshift     7 x 7 x 44 -> 7 x 7 x 44      -       308    [0, 127]
//   pool1           avgpool      7 x 7 x 44 -> 1 x 1 x 44      -       0      [0, 127]
//   fc1             linear       1 x 1 x 44 -> 10              int8    440    [-163195, 141478]
//
// Flash: 12288 bytes of constants, and the kernels. RAM: 784 bytes of input,
// 3972 of arena, 40 of scores.
// Accuracy: 92.73 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network 3654085db21a0d06.
// Again: halfbyte run fashion-cnn --seed 3

#ifndef HB_FASHION_CNN_H
#define HB_FASHION_CNN_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "fashion_cnn was made for spec version 1: export it again"
#endif

#define HB_FASHION_CNN_DIGEST "3654085db21a0d06"
#define HB_FASHION_CNN_RAW_SIZE 784
#define HB_FASHION_CNN_INPUT_SIZE 784
#define HB_FASHION_CNN_SCORES 10
#define HB_FASHION_CNN_WEIGHT_BYTES 12288
#define HB_FASHION_CNN_ARENA_BYTES 3972
#define HB_FASHION_CNN_PUSH_BYTES 4058

// class 0: t-shirt
// class 1: trousers
// class 2: pullover
// class 3: dress
// class 4: coat
// class 5: sandal
// class 6: shirt
// class 7: sneaker
// class 8: bag
// class 9: boot

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_FASHION_CNN_INPUT_SIZE activations; must not overlap raw
//   raw  HB_FASHION_CNN_RAW_SIZE values, 28 x 28
void hb_fashion_cnn_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_FASHION_CNN_SCORES sums; must not overlap x or arena
//   x       HB_FASHION_CNN_INPUT_SIZE activations, unchanged
//   arena   HB_FASHION_CNN_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_fashion_cnn_run(int32_t *scores, const int8_t *x, void *arena);

// The same with an input that comes row by row, so that no frame is kept:
// begin, 28 rows from the top, end.
//
//   arena   HB_FASHION_CNN_PUSH_BYTES bytes of scratch, aligned for int32_t,
//           untouched in between
//   raw     28 values
void hb_fashion_cnn_push_begin(void *arena);
void hb_fashion_cnn_push_row(void *arena, const uint8_t *raw);
void hb_fashion_cnn_push_end(int32_t *scores, void *arena);

#ifdef __cplusplus
}
#endif

#endif
