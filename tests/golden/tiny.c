// tiny: tables and forward pass. Head, sizes and prototypes: tiny.h
//
// Made by halfbyte, spec version 1, from network 295d93e50a018599.

#include "tiny.h"

// HB_TRACE(layer, first, ptr, n): operation `layer` has just written its
// elements first ... first + n - 1 at ptr. Define it to watch every tensor.
#ifndef HB_TRACE
#define HB_TRACE(layer, first, ptr, n) ((void)0)
#endif

// Largest |sum| that any input can lead to, any order of summation (SPEC 6).
#define PEAK_FC1 6985
#define PEAK_FC2 635
#define PEAK_OUT 16129
#define PEAK_OUT_ADD_BIAS 15129
#if PEAK_FC1 > INT32_MAX
#error "layer fc1 can overflow"
#endif
#if PEAK_FC2 > INT32_MAX
#error "layer fc2 can overflow"
#endif
#if PEAK_OUT > INT32_MAX
#error "layer out can overflow"
#endif
#if PEAK_OUT_ADD_BIAS > INT32_MAX
#error "layer out_add_bias can overflow"
#endif

enum {
    SIZE_INPUT = 5,
    SIZE_FC1 = 6,
    SIZE_FC2 = 3,
    SIZE_OUT = 2,
};

// clang-format off

static const HB_ROM uint8_t fc1_w[18] = {
    0x10, 0x32, 0x04, 0x65, 0x87, 0x09, 0xcb, 0xed, 0x0f, 0x30, 0x96, 0x0c,
    0x43, 0x65, 0x07, 0x98, 0xba, 0x0c,
};

static const HB_ROM int32_t fc1_shift_b[6] = {
    0, 8, -8, 100, -1073741824, 7,
};

static const HB_ROM uint8_t fc1_shift_s[1] = {
    0x04,
};

static const HB_ROM uint8_t fc2_w[6] = {
    0xd0, 0x00, 0x86, 0xab, 0x08, 0xab,
};

static const HB_ROM int16_t fc2_mulshift_m[3] = {
    3000, -77, 0,
};

static const HB_ROM int32_t fc2_mulshift_b[3] = {
    2048, 5, 127,
};

static const HB_ROM uint8_t fc2_mulshift_s[3] = {
    0x0c, 0x02, 0x00,
};

static const HB_ROM uint8_t out_w[6] = {
    0x7f, 0x81, 0x01, 0x00, 0x05, 0xfa,
};

static const HB_ROM int32_t out_add_bias_b[2] = {
    1000, -1,
};

void hb_tiny_input(int8_t *x, const uint8_t *raw)
{
    // input: input_shift, -
    hb_input_shift_u8(x, raw, 0, 1, 0, 127, SIZE_INPUT);
    HB_TRACE(0, 0, x, SIZE_INPUT);
}

void hb_tiny_run(int32_t *scores, const int8_t *x, void *arena)
{
    int32_t *const fc1 = (int32_t *)arena + 0;
    int8_t *const fc1_shift = (int8_t *)arena + 0;
    int32_t *const fc2 = (int32_t *)arena + 2;
    int8_t *const fc2_mulshift = (int8_t *)arena + 0;
    int32_t *const out = (int32_t *)arena + 1;

    // fc1: linear, sym4
    hb_linear_sym4(fc1, x, fc1_w, SIZE_INPUT, SIZE_FC1);
    HB_TRACE(1, 0, fc1, SIZE_FC1);

    // fc1.shift: shift, -
    hb_shift(fc1_shift, fc1, fc1_shift_b, fc1_shift_s, -127, 127, SIZE_FC1);
    HB_TRACE(2, 0, fc1_shift, SIZE_FC1);

    // fc2: linear, ternary
    hb_linear_ternary(fc2, fc1_shift, fc2_w, SIZE_FC1, SIZE_FC2);
    HB_TRACE(3, 0, fc2, SIZE_FC2);

    // fc2.mulshift: mulshift, -
    hb_mulshift(fc2_mulshift, fc2, fc2_mulshift_m, fc2_mulshift_b,
                fc2_mulshift_s, 0, 127, SIZE_FC2);
    HB_TRACE(4, 0, fc2_mulshift, SIZE_FC2);

    // out: linear, int8
    hb_linear_int8(out, fc2_mulshift, out_w, SIZE_FC2, SIZE_OUT);
    HB_TRACE(5, 0, out, SIZE_OUT);

    // out.add_bias: add_bias, -
    hb_add_bias(scores, out, out_add_bias_b, SIZE_OUT);
    HB_TRACE(6, 0, scores, SIZE_OUT);
}
