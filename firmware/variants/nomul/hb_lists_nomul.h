// Lists of the digits of activations. What includes it defines LIST, the inputs
// in a list at most, STRIDE, the bytes of an input's codes in a block, MOST,
// the largest code, STEP and OFFSET: level = STEP * code - OFFSET, and
// HB_ROOM(d), whether a chunk may go on whose digits have the sizes d in all,
// if OFFSET is 1. SPDX-License-Identifier: Apache-2.0
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

enum {
    PLANES = 8,
    INPUTS = UINT16_MAX / STRIDE // whose places fit 16 bits
};

// The inputs with a digit in one plane: +1 from the front of `input` up to
// `plus`, -1 from its end down to `minus`. Each is the place of the input's
// codes in a block, in bytes, from the chunk's first input on.
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
    for (struct hb_plane *p = chunk->plane + PLANES; p-- > chunk->plane;) {
        p->plus = p->input;
        p->minus = p->input + LIST;
    }
    if (n_in - first > INPUTS) {
        n_in = first + INPUTS;
    }
    const int8_t *next = x + first, *begin = next, *end = x + n_in;
    uint32_t sizes = 0, negative = 0; // of all digits, and of those below 0
    int full = 0;
    while (next < end) {
        int32_t v = *next++;
        if (v == 0) {
            continue;
        }
        const uint32_t digits = (uint32_t)(v ^ 3 * v) >> 1;
        sizes += digits;
        negative += (uint32_t)(v >> 1) & digits;
        const uint16_t at = (uint16_t)((next - begin - 1) * STRIDE);
        struct hb_plane *p = chunk->plane;
        do {
            for (; (v & 1) == 0; v >>= 1) {
                p++;
            }
            if ((v & 2) == 0) {
                *p->plus++ = at;
            } else {
                *--p->minus = at;
                v++;
            }
            if (p->plus == p->minus) {
                full = 1;
            }
            p += 2;
            v >>= 2;
        } while (v != 0);
        if (full || !HB_ROOM(sizes)) {
            break;
        }
    }
    chunk->offset =
        OFFSET * sizes + (uint32_t)(MOST * STEP - 2 * OFFSET) * negative;
    return (size_t)(next - x);
}

#endif
