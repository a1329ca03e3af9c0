// Blocks of 8 codes of 4 bits, added up for the digits of a chunk; what
// includes it has included hb_lists_nomul.h, for lists of 17 inputs.
// SPDX-License-Identifier: Apache-2.0
//
// A block adds up the codes of each list in lanes of 8 bits, and from the
// highest plane down doubles its sums, in lanes of 16 bits, and adds those
// lanes to them: 17 * 15 = 255 < 2^8 in a lane, and 255 * (2^7 + ... + 2^0) =
// 65025 < 2^16 in a sum.

// Sums of 8 codes: of all as they are, and of the odd ones in lanes of 8 bits.
struct hb_lanes {
    uint32_t all, odd;
};

static inline struct hb_lanes hb_lanes_add(struct hb_lanes s, uint32_t codes)
{
    s.all += codes;
    s.odd += codes >> 4 & 0x0F0F0F0F;
    return s;
}

// sums = 2 * sums + lanes, in lanes of 16 bits, of codes k and k + 4 in
// sums[k]. Those of 0 and 1 are with those of 2 and 3 above them, modulo 2^32.
static inline void hb_double_and_add(uint32_t *sums, struct hb_lanes s)
{
    const uint32_t even = s.all - (s.odd << 4);
    sums[0] = 2 * sums[0] + even;
    sums[1] = 2 * sums[1] + s.odd;
    sums[2] = 2 * sums[2] + (even >> 8 & 0x00FF00FF);
    sums[3] = 2 * sums[3] + (s.odd >> 8 & 0x00FF00FF);
}

// y[0], y[4] += STEP * the two sums of a word - offset
HB_APART void hb_flush(int32_t *y, uint32_t sums, uint32_t offset)
{
    y[0] = (int32_t)((uint32_t)y[0] + STEP * (sums & 0xFFFF) - offset);
    y[4] = (int32_t)((uint32_t)y[4] + STEP * (sums >> 16) - offset);
}

// y[0 ... 7] += the chunk's part of a block.
HB_APART void hb_block(int32_t *y, const uint32_t *w,
                       const struct hb_chunk *chunk)
{
    uint32_t sums[4] = {0, 0, 0, 0};
    const struct hb_plane *p = chunk->plane + PLANES;
    while (p-- > chunk->plane) {
        struct hb_lanes s = {0, 0};
        const uint16_t *i = p->minus;
        for (; i < p->input + LIST; i++) {
            s = hb_lanes_add(s, ~*hb_at(w, *i));
        }
        for (i = p->input; i < p->plus; i++) {
            s = hb_lanes_add(s, *hb_at(w, *i));
        }
        hb_double_and_add(sums, s);
    }
    hb_flush(y, sums[0] - (sums[2] << 8), chunk->offset);
    hb_flush(y + 1, sums[1] - (sums[3] << 8), chunk->offset);
    hb_flush(y + 2, sums[2], chunk->offset);
    hb_flush(y + 3, sums[3], chunk->offset);
}
