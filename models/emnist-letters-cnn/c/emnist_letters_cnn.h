// emnist_letters_cnn: a network of 12169 bytes, 28 x 28 uint8_t -> 26 scores.
//
//   layer           op           shape                         format  bytes  range
//   input           input_shift  28 x 28 -> 28 x 28            -       0      [0, 127]
//   conv1           conv         28 x 28 -> 28 x 28 x 12       int8    108    [-75692, 66802]
//   conv1.mulshift  mulshift     28 x 28 x 12 -> 28 x 28 x 12  -       84     [0, 127]
//   conv2           conv         28 x 28 x 12 -> 14 x 14 x 16  sym4    864    [-84223, 50556]
//   conv2.mulshift  mulshift     14 x 14 x 16 -> 14 x 14 x 16  -       112    [0, 127]
//   conv3           conv         14 x 14 x 16 -> 14 x 14 x 24  sym4    1728   [-102997, 82804]
//   conv3.mulshift  mulshift     14 x 14 x 24 -> 14 x 14 x 24  -       168    [0, 127]
//   conv4           conv         14 x 14 x 24 -> 7 x 7 x 24    sym4    2592   [-133096, 130683]
//   conv4.mulshift  mulshift     7 x 7 x 24 -> 7 x 7 x 24      -       168    [0, 127]
//   conv5           conv         7 x 7 x 24 -> 7 x 7 x 45      sym4    4860   [-145796, 140589]
//   conv5.mulshift  mulshift     7 x 7 x 45 -> 7 x 7 x 45      -       315    [0, 127]
//   pool1           avgpool      7 x 7 x 45 -> 1 x 1 x 45      -       0      [0, 127]
//   fc1             linear       1 x 1 x 45 -> 26              int8    1170   [-253746, 223393]
//
// Flash: 12169 bytes of constants, and the kernels. RAM: 784 bytes of input,
// 3860 of arena, 104 of scores.
// Accuracy: 94.55 % of 20800 test images.
// Verified: C, NumPy and PyTorch give equal integers in every layer for all
// 20800 test images.
// Made by halfbyte, spec version 1, from network bc96bf23ec13d354.
// Again: halfbyte run emnist-letters-cnn --seed 3

#ifndef HB_EMNIST_LETTERS_CNN_H
#define HB_EMNIST_LETTERS_CNN_H

#include "hb.h"

#if HB_SPEC_VERSION != 1
#error "emnist_letters_cnn was made for spec version 1: export it again"
#endif

#define HB_EMNIST_LETTERS_CNN_DIGEST "bc96bf23ec13d354"
#define HB_EMNIST_LETTERS_CNN_RAW_SIZE 784
#define HB_EMNIST_LETTERS_CNN_INPUT_SIZE 784
#define HB_EMNIST_LETTERS_CNN_SCORES 26
#define HB_EMNIST_LETTERS_CNN_WEIGHT_BYTES 12169
#define HB_EMNIST_LETTERS_CNN_ARENA_BYTES 3860
#define HB_EMNIST_LETTERS_CNN_PUSH_BYTES 3946

// class 0: A
// class 1: B
// class 2: C
// class 3: D
// class 4: E
// class 5: F
// class 6: G
// class 7: H
// class 8: I
// class 9: J
// class 10: K
// class 11: L
// class 12: M
// class 13: N
// class 14: O
// class 15: P
// class 16: Q
// class 17: R
// class 18: S
// class 19: T
// class 20: U
// class 21: V
// class 22: W
// class 23: X
// class 24: Y
// class 25: Z

#ifdef __cplusplus
extern "C" {
#endif

// x = the input rule applied to raw.
//
//   x    HB_EMNIST_LETTERS_CNN_INPUT_SIZE activations; must not overlap raw
//   raw  HB_EMNIST_LETTERS_CNN_RAW_SIZE values, 28 x 28
void hb_emnist_letters_cnn_input(int8_t *x, const uint8_t *raw);

// scores = the network applied to x. The class is hb_argmax(scores, n).
//
//   scores  HB_EMNIST_LETTERS_CNN_SCORES sums; must not overlap x or arena
//   x       HB_EMNIST_LETTERS_CNN_INPUT_SIZE activations, unchanged
//   arena   HB_EMNIST_LETTERS_CNN_ARENA_BYTES bytes of scratch, aligned for int32_t
void hb_emnist_letters_cnn_run(int32_t *scores, const int8_t *x, void *arena);

// The same with an input that comes row by row, so that no frame is kept:
// begin, 28 rows from the top, end.
//
//   arena   HB_EMNIST_LETTERS_CNN_PUSH_BYTES bytes of scratch, aligned for int32_t,
//           untouched in between
//   raw     28 values
void hb_emnist_letters_cnn_push_begin(void *arena);
void hb_emnist_letters_cnn_push_row(void *arena, const uint8_t *raw);
void hb_emnist_letters_cnn_push_end(int32_t *scores, void *arena);

#ifdef __cplusplus
}
#endif

#endif
