// hb_levels_int8: a weight to a byte, levels -127, -126, ..., +127.
// SPDX-License-Identifier: Apache-2.0

#include "hb_plane.h"

void hb_levels_int8(int16_t *level, const HB_ROM uint8_t *w, size_t n)
{
    const HB_ROM int8_t *code = (const HB_ROM int8_t *)w;
    for (; n >= 3; n -= 3, level += 3, code += 3) {
        level[0] = code[0];
        level[1] = code[1];
        level[2] = code[2];
    }
    for (; n > 0; n--) {
        *level++ = *code++;
    }
}
