// Maps and the windows that move over them: what the tests of both share.
// SPDX-License-Identifier: Apache-2.0

#ifndef NAIVE_MAP_H
#define NAIVE_MAP_H

#include "hb.h"

// A window over a map, (vertical, horizontal).
struct window {
    size_t height, width, channels; // of the input
    size_t size[2], stride[2], padding[2];
};

// Height or width of the output: axis 0 or 1.
size_t naive_out(const struct window *w, int axis);

// Pixel (y, x) of a map, one channel; `outside` where there is no such pixel.
int naive_at(const struct window *w, const int8_t *map, int64_t y, int64_t x,
             size_t c, int outside);

// What the kernels take: `channels` of them are read at once.
hb_window naive_window(const struct window *w, size_t channels);

// A map of which the newest rows are kept, to be read from top to bottom.
struct ring {
    const struct window *w;
    const int8_t *map; // all of it
    int8_t *kept;
    uint16_t n_kept, n_pushed; // rows
};

// Keeps as many rows as the window is high, or all rows. Then ring_end.
struct ring ring_begin(const struct window *w, const int8_t *map, int all);
void ring_end(struct ring *r);

// Pushes the rows that output row oy needs, with hb_row, and finds them all,
// with hb_rows.
void ring_rows(struct ring *r, size_t oy, const int8_t **rows);

#endif
