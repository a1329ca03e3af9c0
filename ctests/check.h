// Checks for the C tests: they count failures, and go on up to 20 of them.
// SPDX-License-Identifier: Apache-2.0

#ifndef CHECK_H
#define CHECK_H

#include <stddef.h>
#include <stdint.h>

extern unsigned long check_count; // checks made
extern unsigned long check_failures;

// Fails with a printf message that says what was found and expected.
#define CHECK(cond, ...)                                                       \
    (check_count++,                                                            \
     (cond) ? (void)0 : check_fail(__FILE__, __LINE__, #cond, __VA_ARGS__))

void check_fail(const char *file, int line, const char *cond, const char *fmt,
                ...);

// Prints the verdict on `count` things called `what`; the test's exit status.
int check_report(const char *what, unsigned long count);

// Memory of n bytes; the caller frees it. Never NULL.
void *allocate(size_t n);

// A copy of n bytes in memory of exactly that size, so that a sanitizer sees a
// read past either end. The caller frees it.
void *copy_of(const void *bytes, size_t n);

// Memory of n bytes, filled with `poison`, between two canaries.
void *guard_new(size_t n, uint8_t poison);

// Checks both canaries and frees the memory.
void guard_free(void *p, const char *what);

#endif
