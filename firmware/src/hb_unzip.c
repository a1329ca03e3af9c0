// hb_unzip: a plane as a channel of a map.
// SPDX-License-Identifier: Apache-2.0

#include "hb_plane.h"

void hb_unzip(int8_t *map, const uint32_t *plane, size_t pixel, size_t width,
              size_t height)
{
    const size_t row = pixel * width;
    for (; height > 0; height -= height > 1 ? 2 : 1, map += row) {
        for (size_t x = 0; x < width; x++, map += pixel) {
            const uint32_t both = *plane++;
            *map = (int8_t)(both & 127);
            if (height > 1) {
                map[row] = (int8_t)(both >> 16 & 127);
            }
        }
    }
}
