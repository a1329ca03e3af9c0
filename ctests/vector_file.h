// Reader of vector blocks, SPEC 1. Whatever is wrong with one ends the test.
// SPDX-License-Identifier: Apache-2.0

#ifndef VECTOR_FILE_H
#define VECTOR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VECTOR_MAX_KEYS = 16 };

struct vector_key {
    const char *name;
    int64_t *values;
    size_t n;
    bool used;
};

struct vector {
    const char *file;
    int line; // of the opening fence
    const char *op;
    struct vector_key *keys; // VECTOR_MAX_KEYS of them
    size_t n_keys;
};

// Calls `run` with each vector block of a file, and refuses a block with a key
// that `run` asked nothing about. Returns the number of blocks.
size_t vector_file_run(const char *file, void (*run)(const struct vector *));

// Says what is wrong with a vector, and where, and exits.
void vector_refuse(const struct vector *v, const char *what, const char *which);

// The functions below refuse a vector without the key, with another number of
// values than n, or with a value that the type cannot hold.

size_t vector_count(const struct vector *v, const char *key);
void vector_need(const struct vector *v, const char *key, size_t n);
int64_t vector_at(const struct vector *v, const char *key, size_t i);

// The only value of a key, refused outside of [lo, hi].
int64_t vector_int(const struct vector *v, const char *key, int64_t lo,
                   int64_t hi);

// All n values, in memory of exactly their size that the caller frees.
uint8_t *vector_bytes(const struct vector *v, const char *key, size_t n);
int8_t *vector_i8(const struct vector *v, const char *key, size_t n);
int16_t *vector_i16(const struct vector *v, const char *key, size_t n);
int32_t *vector_i32(const struct vector *v, const char *key, size_t n);

#endif
