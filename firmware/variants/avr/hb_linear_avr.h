// The linear kernel. A header for each kind of column includes it and defines
// BLOCK, the outputs of a column; BYTES of one; LIMIT, the largest sum of x
// that a list may have; hb_sum, a type that holds their sum of code * x; and
// hb_block, which makes those sums for a block. A file for each format includes
// that header and defines HB_LINEAR, its name; HB_ROWS, the portable kernel;
// STEP and OFFSET: level = STEP * code - OFFSET.
// SPDX-License-Identifier: Apache-2.0
//
// The inputs above 0 are listed, as many as fit a list, and every block of
// outputs runs through the list; so do those below 0 then, if there are any,
// with signs changed. The rows left over, fewer than a block, are packed as in
// the portable layout and left to the portable kernel.

// Lists the inputs above 0 (below 0, as their absolute values, if `negative`)
// from list->next on: as many as there is room for, with a sum of at most
// LIMIT, which is 127 or more.
static HB_OWN_FRAME void hb_gather(struct hb_list *list, const int8_t *x,
                                   size_t n_in, uint8_t negative)
{
    const size_t farthest = UINT8_MAX / BYTES; // inputs that a gap can hold
    const int8_t *const end = x + n_in;
    const int8_t *in = x + list->next;
    const int8_t *last = in;
    struct hb_entry *e = list->entry;
    uint8_t left = HB_ENTRIES;
    uint16_t sum = 0;
    for (;;) {
        int8_t v = 0;
        in = hb_skip_zeros(in, end, &v);
        if (v == 0) {
            break;
        }
        if (negative) {
            v = (int8_t)-v;
        }
        if (v < 0) {
            list->others = v;
            continue;
        }
        size_t apart = (size_t)(in - last);
        for (; apart > (size_t)farthest + 1 && left > 0; left--, e++) {
            e->x = 0; // an input that adds nothing, so that the gap fits
            e->gap = (uint8_t)(farthest * BYTES);
            apart -= farthest + 1;
        }
        sum = (uint16_t)(sum + (uint8_t)v);
        if (left == 0 || sum > LIMIT) {
            sum = (uint16_t)(sum - (uint8_t)v);
            in--;
            break;
        }
        left--;
        last = in;
        e->x = (uint8_t)v;
        e->gap = (uint8_t)(((uint8_t)apart - 1) * BYTES);
        e++;
    }
    list->next = (size_t)(in - x);
    list->n = (uint8_t)(HB_ENTRIES - left);
    list->sum = sum;
}

// Adds to n sums, a multiple of BLOCK, what the list's inputs contribute; makes
// the sums, if `first`. A block's columns take `stride` bytes.
static HB_OWN_FRAME void hb_blocks(int32_t *y, const struct hb_list *list,
                                   const HB_ROM uint8_t *w, size_t stride,
                                   size_t n, uint8_t first)
{
    hb_sum sums[BLOCK];
    const int32_t offset = (int32_t)((uint32_t)OFFSET * list->sum);
    for (; n > 0; n -= BLOCK, w += stride) {
        hb_block(sums, list->entry, list->n, w);
        const hb_sum *sum = sums;
        for (uint8_t k = BLOCK; k > 0; k--) {
            int32_t v = (int32_t)(STEP * (uint32_t)*sum++) - offset;
            if (!first) {
                v += *y;
            }
            *y++ = v;
        }
    }
}

static void hb_negate(int32_t *y, size_t n)
{
    for (; n > 0; n--, y++) {
        *y = -*y;
    }
}

void HB_LINEAR(int32_t *y, const int8_t *x, const HB_ROM uint8_t *w,
               size_t n_in, size_t n_out)
{
    const size_t stride = n_in * BYTES;
    const HB_ROM uint8_t *rows =
        w; // behind n outputs, all blocks that there are
    size_t n = 0;
    for (; n_out - n >= BLOCK; n += BLOCK) {
        rows += stride;
    }
    struct hb_list list;
    list.others = 0;
    list.next = 0;
    do {
        const size_t begin = list.next;
        hb_gather(&list, x, n_in, 0);
        hb_blocks(y, &list, w + begin * BYTES, stride, n, begin == 0);
    } while (list.next < n_in);
    if (list.others < 0) {
        hb_negate(y, n);
        list.next = 0;
        do {
            const HB_ROM uint8_t *column = w + list.next * BYTES;
            hb_gather(&list, x, n_in, 1);
            hb_blocks(y, &list, column, stride, n, 0);
        } while (list.next < n_in);
        hb_negate(y, n);
    }
    if (n < n_out) {
        HB_ROWS(y + n, x, rows, n_in, n_out - n);
    }
}
