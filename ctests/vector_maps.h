// The operations on maps, for test_vectors: SPEC 2.3 and 5.7 to 5.16.
// SPDX-License-Identifier: Apache-2.0

#ifndef VECTOR_MAPS_H
#define VECTOR_MAPS_H

#include "hb.h"
#include "vector_file.h"

typedef void conv_fn(int32_t *, const int8_t *const *, const HB_ROM uint8_t *,
                     size_t, const HB_ROM hb_window *);

// Element i of an output against the vector's.
void expect(const struct vector *v, const char *key, size_t i, int64_t got);

// All n elements of "y", which are freed.
void expect_i8(const struct vector *v, int8_t *y, size_t n);
void expect_i32(const struct vector *v, int32_t *y, size_t n);

// As for run_linear: so many codes are so many bytes of a row.
void run_conv(const struct vector *v, conv_fn *conv, size_t codes_in_group,
              size_t bytes_in_group);

void run_pool(const struct vector *v);
void run_global_average(const struct vector *v);
void run_add(const struct vector *v);
void run_concat(const struct vector *v);
void run_lookup(const struct vector *v);
void run_clip(const struct vector *v);
void run_rmsnorm(const struct vector *v);
void run_layernorm(const struct vector *v);
void run_input_planes(const struct vector *v);

#endif
