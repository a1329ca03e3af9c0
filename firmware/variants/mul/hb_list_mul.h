// The inputs that are not 0, listed. Private.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_LIST_MUL_H
#define HB_LIST_MUL_H

#include "hb_mul.h"

// An input that is not 0.
struct hb_entry {
    int32_t x;
    uint32_t at; // bytes from the first input's codes to its own
};

// Some of them, in order. A last entry of x = 0 makes their number even.
struct hb_list {
    struct hb_entry *end;
    int32_t sum;       // of x
    uint32_t negative; // sum of |x| over x < 0
};

// Lists inputs from *next on until `entry` is full, and moves *next to the
// first that was not looked at. `room` is even; an input's codes take `bytes`.
static inline struct hb_list hb_list(struct hb_entry *entry, size_t room,
                                     uint32_t bytes, const int8_t *x,
                                     size_t n_in, size_t *next)
{
    struct hb_list list = {entry, 0, 0};
    size_t i = *next;
    while (i < n_in) {
        const int32_t v = x[i++];
        if (v == 0) {
            continue;
        }
        list.end->x = v;
        list.end->at = bytes * ((uint32_t)i - 1);
        list.end++;
        list.sum += v;
        if (v < 0) {
            list.negative -= (uint32_t)v;
        }
        if (list.end == entry + room) {
            break;
        }
    }
    *next = i;
    if ((list.end - entry) % 2 != 0) {
        *list.end++ = (struct hb_entry){0, 0};
    }
    return list;
}

// What the sums of a list become: y = step * sum + rest, or y += that.
struct hb_result {
    int32_t rest;
    int first; // whether y has no value yet
};

static inline void hb_put(int32_t *y, int32_t sum, struct hb_result r)
{
    *y = r.first ? sum + r.rest : *y + (sum + r.rest);
}

#endif
