// Lists of the digits of activations. What includes it defines LIST, the inputs
// in a list at most, MOST, the largest code, and STEP and OFFSET: level = STEP
// * code - OFFSET.
// SPDX-License-Identifier: Apache-2.0
//
// An activation is a sum of few digits +-2^plane, plane 0 ... 7, no two of
// them in neighbouring planes (its non-adjacent form). A chunk of inputs is
// listed plane by plane. A kernel adds up the codes of a list; for a digit -1
// it adds MOST - code, so nothing is below 0:
//
//   x * code = sum over digits +1 of 2^plane * code
//            + sum over digits -1 of 2^plane * (MOST - code - MOST)

#ifndef HB_LISTS_NOMUL_H
#define HB_LISTS_NOMUL_H

#include "hb_apart_nomul.h"
#include "hb_nomul.h"

enum { PLANES = 8 };

// The inputs with a digit in one plane: +1 from the front of `input` up to
// `plus`, -1 from its end down to `minus`. Each is the place of the input's
// word in a block, in bytes, from the chunk's first input on.
struct hb_plane {
    uint16_t *plus, *minus;
    uint16_t input[LIST];
};

struct hb_chunk {
    struct hb_plane plane[PLANES];
    uint32_t offset; // STEP * MOST for the sizes of digits -1, OFFSET * x
};

// The word at a place in a block.
static inline const uint32_t *hb_at(const uint32_t *w, uint32_t bytes)
{
    return (const uint32_t *)(const void *)((const char *)w + bytes);
}

// Lists inputs from `first` on until a list is full. Returns the first one that
// is not listed.
HB_APART size_t hb_list(struct hb_chunk *chunk, const int8_t *x, size_t first,
                        size_t n_in)
{
    for (struct hb_plane *p = chunk->plane; p < chunk->plane + PLANES; p++) {
        p->plus = p->input;
        p->minus = p->input + LIST;
    }
    chunk->offset = 0;
    const int8_t *next = x + first, *end = x + n_in;
    uint32_t at = 0;
    int full = 0;
    for (; next < end && at <= UINT16_MAX && !full; at += 4) {
        int32_t v = *next++;
        if (v == 0) {
            continue;
        }
        const uint32_t digits = (uint32_t)(v ^ 3 * v) >> 1; // all sizes
        const uint32_t minus = (uint32_t)(v >> 1) & digits; // of digits -1
        chunk->offset +=
            OFFSET * digits + (uint32_t)(MOST * STEP - 2 * OFFSET) * minus;
        struct hb_plane *p = chunk->plane;
        do {
            for (; (v & 1) == 0; v >>= 1) {
                p++;
            }
            if ((v & 2) == 0) {
                *p->plus++ = (uint16_t)at;
            } else {
                *--p->minus = (uint16_t)at;
                v++;
            }
            if (p->plus == p->minus) {
                full = 1;
            }
            p += 2;
            v >>= 2;
        } while (v != 0);
    }
    return (size_t)(next - x);
}

#endif
