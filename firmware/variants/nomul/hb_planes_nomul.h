// The linear kernel of codes of 4 bits in columns; each file that includes it
// defines HB_LINEAR, its name, STEP and OFFSET: level = STEP * code - OFFSET.
// SPDX-License-Identifier: Apache-2.0

#define LIST 17
#define STRIDE 4
#define MOST 15
#define HB_ROOM(digits) 1
#include "hb_lists_nomul.h"

#include "hb_nibbles_nomul.h"

// The sum of an output that is in no block. Its code of input i is in byte i,
// in the upper half where odd is 1; where it is the last one, in a row.
HB_APART int32_t hb_rest(const int8_t *x, const uint8_t *w, size_t n_in,
                         size_t odd, size_t last)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n_in; i++) {
        if (x[i] != 0) {
            const uint8_t byte = w[i >> last];
            const int32_t code = (i & last) | odd ? byte >> 4 : byte & 15;
            sum += STEP * (code * x[i]) - OFFSET * x[i];
        }
    }
    return sum;
}

void HB_LINEAR(int32_t *y, const int8_t *x, const uint32_t *w, size_t n_in,
               size_t n_out)
{
    struct hb_chunk chunk;
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    const size_t in_blocks = n_out & ~(size_t)7;
    for (size_t i = 0; i < n_in;) {
        const uint32_t *block = w + i;
        i = hb_list(&chunk, x, i, n_in);
        for (size_t o = 0; o < in_blocks; o += 8, block += n_in) {
            hb_block(y + o, block, &chunk);
        }
    }
    const uint8_t *rest = (const uint8_t *)w + in_blocks / 2 * n_in;
    for (size_t o = in_blocks; o < n_out; o++) {
        y[o] = hb_rest(x, rest, n_in, o & 1, (o ^ 1) == n_out);
        rest += o & 1 ? n_in : 0;
    }
}
