// mnist_fc_selfcompress: a network of 11515 bytes, 28 x 28 uint8_t -> 10 scores.
//
//   layer              op           shape               format  bytes  range
//   input.resize_area  resize_area  28 x 28 -> 16 x 16  -       0      [0, 255]
//   input              input_shift  16 x 16 -> 16 x 16  -       0      [0, 127]
//   fc1                linear       16 x 16 -> 86       int8    6819   [-166624, 156464]
//   fc1.maxshift       maxshift     86 -> 86            -       0      [0, 127]
//   fc2                linear       86 -> 61            int8    2824   [-182880, 138176]
//   fc2.maxshift       maxshift     61 -> 61            -       0      [0, 127]
//   fc3                linear       61 -> 59            int8    1478   [-158496, 146304]
//   fc3.maxshift       maxshift     59 -> 59            -       0      [0, 127]
//   fc4                linear       59 -> 10            int8    394    [-137160, 129032]
//
// Flash: 11515 bytes of constants, and the kernels. RAM: 256 bytes of input,
// 344 of arena, 40 of scores.
// Accuracy: 99.31 % of 10000 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 10000 test images.
// Made by halfbyte, spec version 1, from network f443b3e7dbf2175e.
// Again: halfbyte run mnist-fc-selfcompress --seed 1

#ifndef HB_MNIST_FC_SELFCOMPRESS_H
#define HB_MNIST_FC_SELFCOMPRESS_H

#include "hb.h"
#include "hb_codecs.h"

#if HB_SPEC_VERSION != 1
#error "mnist_fc_selfcompress was made for spec version 1: export it again"
#endif

#define HB_MNIST_FC_SELFCOMPRESS_DIGEST "f443b3e7dbf2175e"
#define HB_MNIST_FC_SELFCOMPRESS_RAW_SIZE 784
#define HB_MNIST_FC_SELFCOMPRESS_INPUT_SIZE 256
#define HB_MNIST_FC_SELFCOMPRESS_SCORES 10
#define HB_MNIST_FC_SELFCOMPRESS_WEIGHT_BYTES 11515
#define HB_MNIST_FC_SELFCOMPRESS_ARENA_BYTES 344

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_MNIST_FC_SELFCOMPRESS_INPUT_SIZE activations; must not overlap raw
//   raw  HB_MNIST_FC_SELFCOMPRESS_RAW_SIZE values, 28 x 28
void hb_mnist_fc_selfcompress_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_MNIST_FC_SELFCOMPRESS_SCORES sums; must not overlap x or arena
//   x       HB_MNIST_FC_SELFCOMPRESS_INPUT_SIZE activations, unchanged
//   arena   HB_MNIST_FC_SELFCOMPRESS_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_mnist_fc_selfcompress_run(int32_t *scores, const int8_t *x, void *arena);

#ifdef __cplusplus
}
#endif

#endif
