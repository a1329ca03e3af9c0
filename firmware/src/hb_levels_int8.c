// hb_levels_int8: a weight to a byte, levels -127, -126, ..., +127.
// SPDX-License-Identifier: Apache-2.0

#include "hb_plane.h"

void hb_levels_int8(int16_t *level, const HB_ROM uint8_t *w, size_t n)
{
    const HB_ROM int8_t *code = (const HB_ROM int8_t *)w;
    for (; n >= 4; n -= 4, level += 4, code += 4) { // not 3: clang divides
        level[0] = code[0];
        level[1] = code[1];
        level[2] = code[2];
        level[3] = code[3];
    }
    for (; n > 0; n--) {
        *level++ = *code++;
    }
}
