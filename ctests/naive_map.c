// Maps and the windows that move over them: what the tests of both share.
// SPDX-License-Identifier: Apache-2.0

#include "naive_map.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

size_t naive_out(const struct window *w, int axis)
{
    const size_t n = axis == 0 ? w->height : w->width;
    return (n + 2 * w->padding[axis] - w->size[axis]) / w->stride[axis] + 1;
}

int naive_at(const struct window *w, const int8_t *map, int64_t y, int64_t x,
             size_t c, int outside)
{
    if (y < 0 || y >= (int64_t)w->height || x < 0 || x >= (int64_t)w->width) {
        return outside;
    }
    return map[((size_t)y * w->width + (size_t)x) * w->channels + c];
}

hb_window naive_window(const struct window *w, size_t channels)
{
    return (hb_window){
        .n_out = (uint16_t)naive_out(w, 1),
        .n_in = (uint16_t)w->width,
        .pixel = (uint16_t)w->channels,
        .channels = (uint16_t)channels,
        .kernel_h = (uint8_t)w->size[0],
        .kernel_w = (uint8_t)w->size[1],
        .stride = (uint8_t)w->stride[1],
        .pad = (uint8_t)w->padding[1],
    };
}

// ---- Rings ----------------------------------------------------------------

struct ring ring_begin(const struct window *w, const int8_t *map, int all)
{
    const size_t n = all ? w->height : w->size[0];
    const size_t n_bytes = n * w->width * w->channels;
    int8_t *kept = memset(allocate(n_bytes), 0x80, n_bytes); // no activation
    return (struct ring){w, map, kept, (uint16_t)n, 0};
}

void ring_end(struct ring *r)
{
    free(r->kept);
}

void ring_rows(struct ring *r, size_t oy, const int8_t **rows)
{
    const struct window *w = r->w;
    const size_t row_size = w->width * w->channels;
    const int64_t first = (int64_t)(oy * w->stride[0]) - (int64_t)w->padding[0];
    const int64_t end = first + (int64_t)w->size[0];
    for (; r->n_pushed < end && r->n_pushed < w->height; r->n_pushed++) {
        int8_t *row = hb_row(r->kept, row_size, r->n_kept, r->n_pushed);
        memcpy(row, r->map + r->n_pushed * row_size, row_size);
    }
    hb_rows(rows, r->kept, row_size, r->n_kept, (int16_t)first,
            (uint8_t)w->size[0], (uint16_t)w->height);
}
