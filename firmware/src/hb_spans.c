// hb_spans: where there is something in every strip of a plane.
// SPDX-License-Identifier: Apache-2.0

#include "hb_plane.h"

void hb_spans(uint8_t *span, const uint32_t *x, const HB_ROM hb_plane *plane)
{
    const size_t width = plane->in_width;
    const uint8_t n = (uint8_t)(plane->n_pairs + 1);
    for (uint16_t left = plane->n_strips; left > 0; left--, x += 2) {
        const uint32_t *in = x;
        uint8_t first = n, end = n;
        for (uint8_t y = 0; y < n; y++, in += width) {
            if ((in[0] | in[1] | in[2] | in[3]) != 0) {
                first = y < first ? y : first;
                end = (uint8_t)(y + 1);
            }
        }
        *span++ = first;
        *span++ = (uint8_t)(end - first);
    }
}
