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
    int32_t signs;     // all x, bit by bit: below 0 where one of them is
    uint32_t negative; // sum of |x| over x < 0
};

// Adds the input *p to the list, if it is not 0.
static inline void hb_enter(struct hb_list *list, const int8_t *p,
                            const int8_t *x, uint32_t bytes)
{
    const int32_t v = *p;
    if (v != 0) {
        list->end->x = v;
        list->end->at = (uint32_t)(p - x) * bytes;
        list->end++;
        list->sum += v;
        list->signs |= v;
    }
}

// Lists inputs from *next on until `entry` is full, and moves *next to the
// first that was not looked at. `room` is even; an input's codes take `bytes`.
static inline struct hb_list hb_list(struct hb_entry *entry, size_t room,
                                     uint32_t bytes, const int8_t *x,
                                     size_t n_in, size_t *next)
{
    struct hb_list list = {entry, 0, 0, 0};
    const struct hb_entry *const full = entry + room;
    const int8_t *p = x + *next;
    const int8_t *const stop = x + n_in;
    for (; stop - p >= 4 && full - list.end >= 4; p += 4) {
        hb_enter(&list, p, x, bytes);
        hb_enter(&list, p + 1, x, bytes);
        hb_enter(&list, p + 2, x, bytes);
        hb_enter(&list, p + 3, x, bytes);
    }
    for (; p != stop && list.end != full; p++) {
        hb_enter(&list, p, x, bytes);
    }
    *next = (size_t)(p - x);
    if (list.signs < 0) {
        for (const struct hb_entry *e = entry; e != list.end; e++) {
            list.negative -= e->x < 0 ? (uint32_t)e->x : 0;
        }
    }
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
    int32_t v = sum + r.rest;
    if (!r.first) {
        v += *y;
    }
    *y = v;
}

#endif
