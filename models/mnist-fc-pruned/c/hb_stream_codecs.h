// Streams of bits, the first bit of each byte the highest. A window holds the
// next ones at its top.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_STREAM_CODECS_H
#define HB_STREAM_CODECS_H

#include "hb_codecs.h"

// Where the next bit of a stream is.
struct hb_place {
    const HB_ROM uint8_t *w;
    uint8_t bit; // 0 the highest, 7 the lowest
};

static inline void hb_move(struct hb_place *at, int32_t bits)
{
    bits += at->bit;
    at->w += bits >> 3;
    at->bit = bits & 7;
}

// What a loop over a stream has in registers: `have` bits of the window are
// there, less than none before its first byte is.
#define HB_OPEN(at)                                                            \
    const HB_ROM uint8_t *w = (at)->w;                                         \
    uint32_t window = 0;                                                       \
    int have = -(at)->bit

// At least `enough` bits, 25 at most. Reads whole bytes, and only then.
#define HB_FILL(enough)                                                        \
    for (; have < (enough); have += 8) {                                       \
        window |= (uint32_t)*w++ << (24 - have);                               \
    }

#define HB_TAKE(bits)                                                          \
    do {                                                                       \
        window <<= (bits);                                                     \
        have -= (bits);                                                        \
    } while (0)

// The place behind what was taken.
#define HB_CLOSE(at)                                                           \
    do {                                                                       \
        (at)->w = w;                                                           \
        (at)->bit = 0;                                                         \
        hb_move(at, -have);                                                    \
    } while (0)

#endif
