// hb_zip: a channel of a map as a plane.
// SPDX-License-Identifier: Apache-2.0

#include "hb_plane.h"

void hb_zip(uint32_t *plane, const int8_t *map, size_t pixel, size_t width,
            size_t height)
{
    const size_t row = pixel * width;
    for (; height > 0; height -= height > 1 ? 2 : 1, map += row) {
        for (size_t x = 0; x < width; x++, map += pixel) {
            const uint32_t below = height > 1 ? (uint32_t)map[row] : 0;
            *plane++ = (uint32_t)*map | below << 16;
        }
    }
}
