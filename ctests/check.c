// Checks for the C tests: they count failures, and go on up to 20 of them.
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CANARY_BYTES = 16, CANARY = 0xc5, MAX_FAILURES = 20 };

unsigned long check_count;
unsigned long check_failures;

void check_fail(const char *file, int line, const char *cond, const char *fmt,
                ...)
{
    if (check_failures++ == MAX_FAILURES) {
        fprintf(stderr, "that is enough\n");
        exit(EXIT_FAILURE);
    }
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "%s:%d: not so: %s: ", file, line, cond);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

int check_report(const char *what, unsigned long count)
{
    printf("%lu %s, %lu failures\n", count, what, check_failures);
    return check_failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void *allocate(size_t n)
{
    void *p = malloc(n > 0 ? n : 1);
    if (p == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(EXIT_FAILURE);
    }
    return p;
}

void *copy_of(const void *bytes, size_t n)
{
    void *p = allocate(n);
    if (n > 0) {
        memcpy(p, bytes, n);
    }
    return p;
}

// Memory: the size n (in one canary's room), a canary, n bytes, a canary.
void *guard_new(size_t n, uint8_t poison)
{
    uint8_t *raw = allocate(n + 3 * CANARY_BYTES);
    memcpy(raw, &n, sizeof n);
    memset(raw + CANARY_BYTES, CANARY, n + 2 * CANARY_BYTES);
    memset(raw + 2 * CANARY_BYTES, poison, n);
    return raw + 2 * CANARY_BYTES;
}

void guard_free(void *p, const char *what)
{
    uint8_t *front = (uint8_t *)p - CANARY_BYTES;
    size_t n;
    memcpy(&n, front - CANARY_BYTES, sizeof n);
    const uint8_t *back = front + CANARY_BYTES + n;
    for (size_t i = 0; i < CANARY_BYTES; i++) {
        CHECK(front[i] == CANARY, "%s wrote in front of its output", what);
        CHECK(back[i] == CANARY, "%s wrote behind its output", what);
    }
    free(front - CANARY_BYTES);
}
