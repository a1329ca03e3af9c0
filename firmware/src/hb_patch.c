// hb_patch: what a window reads of a map, as a vector.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"

static int8_t *zeros(int8_t *y, size_t n)
{
    for (; n > 0; n--) {
        *y++ = 0;
    }
    return y;
}

// n elements, by words where both begin at one and no part of one is left.
static int8_t *copy(int8_t *y, const int8_t *x, size_t n)
{
    if ((((uintptr_t)y | (uintptr_t)x | n) & 3) == 0) {
        for (size_t i = 0; i < n; i += 4) {
            *(uint32_t *)(void *)(y + i) =
                *(const uint32_t *)(const void *)(x + i);
        }
        return y + n;
    }
    for (; n > 0; n--) {
        *y++ = *x++;
    }
    return y;
}

void hb_patch(int8_t *patch, const int8_t *const *rows, int16_t first,
              const HB_ROM hb_window *window)
{
    const size_t pixel = window->pixel;
    const int kernel_w = window->kernel_w;
    // Pixels begin ... end - 1 of the window are inside the map, which is at
    // least one unless all of a row is padding.
    const int left = (int)window->n_in - first;
    int end = left < kernel_w ? left : kernel_w;
    int begin = first < 0 ? -first : 0;
    end = end < 0 ? 0 : end;
    begin = begin > end ? end : begin;
    const size_t n = (size_t)(end - begin) * pixel;
    for (uint8_t ky = 0; ky < window->kernel_h; ky++) {
        const int8_t *row = rows[ky];
        if (row == NULL || n == 0) {
            patch = zeros(patch, (size_t)kernel_w * pixel);
            continue;
        }
        patch = zeros(patch, (size_t)begin * pixel);
        patch = copy(patch, row + (size_t)(first + begin) * pixel, n);
        patch = zeros(patch, (size_t)(kernel_w - end) * pixel);
    }
}
