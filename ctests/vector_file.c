// Reader of vector blocks, SPEC 1. Whatever is wrong with one ends the test.
// SPDX-License-Identifier: Apache-2.0

#include "vector_file.h"

#include "check.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vector_refuse(const struct vector *v, const char *what, const char *which)
{
    fprintf(stderr, "%s:%d: %s: %s\n", v->file, v->line, what, which);
    exit(EXIT_FAILURE);
}

// ---- The file -------------------------------------------------------------

// The whole file and a NUL, which the caller frees.
static char *read_file(const char *file)
{
    FILE *in = fopen(file, "rb");
    if (in == NULL || fseek(in, 0, SEEK_END) != 0) {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        exit(EXIT_FAILURE);
    }
    const long end = ftell(in);
    const size_t n = end > 0 ? (size_t)end : 0;
    char *text = calloc(n + 1, 1);
    rewind(in);
    if (text == NULL || fread(text, 1, n, in) != n) {
        fprintf(stderr, "%s: cannot be read\n", file);
        exit(EXIT_FAILURE);
    }
    fclose(in);
    return text;
}

struct reader {
    char *text; // what was not read yet
    int line;   // the number of the last line read
};

// Cuts off and returns the next line, without the white space at its end; NULL
// behind the last one.
static char *next_line(struct reader *r)
{
    char *line = r->text;
    if (*line == '\0') {
        return NULL;
    }
    char *end = line + strcspn(line, "\n");
    r->text = *end == '\n' ? end + 1 : end;
    r->line++;
    while (end > line && isspace((unsigned char)end[-1])) {
        end--;
    }
    *end = '\0';
    return line;
}

// ---- A block --------------------------------------------------------------

static void parse_values(const struct vector *v, struct vector_key *key,
                         const char *text)
{
    key->values = allocate((strlen(text) + 1) * sizeof *key->values);
    for (key->n = 0; *text != '\0'; key->n++) {
        const bool hex = strncmp(text, "0x", 2) == 0;
        char *end;
        errno = 0;
        key->values[key->n] = strtoll(text, &end, hex ? 16 : 10);
        if (end == text || (*end != '\0' && *end != ' ') || errno != 0) {
            vector_refuse(v, "not integers", key->name);
        }
        text = end + strspn(end, " ");
    }
}

// One line `key = values`. The text stays where it is.
static void parse_line(struct vector *v, char *line)
{
    char *equals = strchr(line, '=');
    if (equals == NULL || equals == line || v->n_keys == VECTOR_MAX_KEYS) {
        vector_refuse(v, "not `key = values`, or too many keys", line);
    }
    const char *values = equals + 1 + strspn(equals + 1, " ");
    do {
        *equals-- = '\0';
    } while (equals > line && *equals == ' ');
    for (size_t i = 0; i < v->n_keys; i++) {
        if (strcmp(v->keys[i].name, line) == 0) {
            vector_refuse(v, "key given twice", line);
        }
    }
    if (strcmp(line, "op") == 0 && v->op == NULL) {
        v->op = values;
        return;
    }
    struct vector_key *key = &v->keys[v->n_keys++];
    key->name = line;
    key->used = false;
    parse_values(v, key, values);
}

// The lines up to the closing fence.
static void parse_block(struct vector *v, struct reader *r)
{
    char *line = next_line(r);
    for (; line != NULL && strcmp(line, "```") != 0; line = next_line(r)) {
        if (*line != '\0') {
            parse_line(v, line);
        }
    }
    if (line == NULL || v->op == NULL) {
        vector_refuse(v, "missing", line == NULL ? "closing fence" : "op");
    }
}

static void free_used_keys(struct vector *v)
{
    for (size_t i = 0; i < v->n_keys; i++) {
        if (!v->keys[i].used) {
            vector_refuse(v, "unknown key", v->keys[i].name);
        }
        free(v->keys[i].values);
    }
}

size_t vector_file_run(const char *file, void (*run)(const struct vector *))
{
    char *whole = read_file(file);
    struct reader r = {whole, 0};
    size_t count = 0;
    for (char *line; (line = next_line(&r)) != NULL;) {
        if (strcmp(line, "```vector") == 0) {
            struct vector_key keys[VECTOR_MAX_KEYS];
            struct vector v = {file, r.line, NULL, keys, 0};
            parse_block(&v, &r);
            run(&v);
            free_used_keys(&v);
            count++;
        }
    }
    free(whole);
    return count;
}

// ---- Its values -----------------------------------------------------------

static struct vector_key *find(const struct vector *v, const char *key)
{
    for (size_t i = 0; i < v->n_keys; i++) {
        if (strcmp(v->keys[i].name, key) == 0) {
            v->keys[i].used = true;
            return &v->keys[i];
        }
    }
    vector_refuse(v, "missing key", key);
    return NULL;
}

size_t vector_count(const struct vector *v, const char *key)
{
    return find(v, key)->n;
}

void vector_need(const struct vector *v, const char *key, size_t n)
{
    if (vector_count(v, key) != n) {
        vector_refuse(v, "wrong number of values", key);
    }
}

int64_t vector_at(const struct vector *v, const char *key, size_t i)
{
    return find(v, key)->values[i];
}

static int64_t at_within(const struct vector *v, const char *key, size_t i,
                         int64_t lo, int64_t hi)
{
    const int64_t value = vector_at(v, key, i);
    if (value < lo || value > hi) {
        vector_refuse(v, "value out of range", key);
    }
    return value;
}

int64_t vector_int(const struct vector *v, const char *key, int64_t lo,
                   int64_t hi)
{
    vector_need(v, key, 1);
    return at_within(v, key, 0, lo, hi);
}

// Defines a function that returns all n values as one type.
#define DEFINE_ARRAY(name, type, lo, hi)                                       \
    type *name(const struct vector *v, const char *key, size_t n)              \
    {                                                                          \
        vector_need(v, key, n);                                                \
        type *array = allocate(n * sizeof *array);                             \
        for (size_t i = 0; i < n; i++) {                                       \
            array[i] = (type)at_within(v, key, i, lo, hi);                     \
        }                                                                      \
        return array;                                                          \
    }

DEFINE_ARRAY(vector_bytes, uint8_t, 0, UINT8_MAX)
DEFINE_ARRAY(vector_i8, int8_t, INT8_MIN, INT8_MAX)
DEFINE_ARRAY(vector_i16, int16_t, INT16_MIN, INT16_MAX)
DEFINE_ARRAY(vector_i32, int32_t, INT32_MIN, INT32_MAX)
