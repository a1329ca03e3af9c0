// Streams of bits, the first bit of each byte the highest. A window holds the
// next ones at its top.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_STREAM_CODECS_H
#define HB_STREAM_CODECS_H

#include "hb_codecs.h"

// An 8-bit core shifts bit by bit and byte by byte: 16 bits take half the time.
#if defined(__AVR__) && !defined(HB_WIDE)
#define HB_NARROW
#endif
#ifdef HB_NARROW
typedef uint16_t hb_bits;
typedef int16_t hb_signed_bits;
typedef int8_t hb_have;
#else
typedef uint32_t hb_bits;
typedef int32_t hb_signed_bits;
typedef int hb_have;
#endif

enum { WINDOW = 8 * sizeof(hb_bits) };

// Where the next bit of a stream is.
struct hb_place {
    const HB_ROM uint8_t *w;
    uint8_t bit; // 0 the highest, 7 the lowest
};

static inline hb_bits hb_byte(const HB_ROM uint8_t *w)
{
    return *w;
}

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
    hb_bits window = 0;                                                        \
    hb_have have = (hb_have)(0 - (at)->bit)

// At least `enough` bits, at most WINDOW - 7. Reads whole bytes, and only then.
#define HB_FILL(enough)                                                        \
    for (; have < (enough); have = (hb_have)(have + 8)) {                      \
        window |= (hb_bits)(hb_byte(w++) << (WINDOW - 8 - have));              \
    }

#define HB_TAKE(bits)                                                          \
    do {                                                                       \
        window = (hb_bits)(window << (bits));                                  \
        have = (hb_have)(have - (bits));                                       \
    } while (0)

// The place behind what was taken.
#define HB_CLOSE(at)                                                           \
    do {                                                                       \
        (at)->w = w;                                                           \
        (at)->bit = 0;                                                         \
        hb_move(at, -have);                                                    \
    } while (0)

#endif
