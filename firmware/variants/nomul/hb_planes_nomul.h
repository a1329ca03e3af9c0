// The linear kernel of codes of 4 bits in columns; each file that includes it
// defines HB_LINEAR, its name, STEP and OFFSET: level = STEP * code - OFFSET.
// SPDX-License-Identifier: Apache-2.0
//
// An activation is a sum of few digits +-2^plane, plane 0 ... 7, no two of
// them in neighbouring planes (its non-adjacent form). A chunk of inputs is
// listed plane by plane. Every block of outputs adds up the codes of a list in
// lanes of 8 bits, and from the highest plane down doubles its sums, in lanes
// of 16 bits, and adds those lanes to them. For a digit -1 it adds 15 - code,
// which is the code with all bits inverted, so nothing is below 0:
//
//   x * code = sum over digits +1 of 2^plane * code
//            + sum over digits -1 of 2^plane * (15 - code - 15)
//
// A list has at most 17 inputs: 17 * 15 = 255 < 2^8 in a lane, and
// 255 * (2^7 + ... + 2^0) = 65025 < 2^16 in a sum.

enum { PLANES = 8, LIST = 17 };

// The registers of these cores are few: the loops over lists are compiled
// apart from what calls them.
#define HB_APART __attribute__((noinline)) static

// The inputs with a digit in one plane: +1 from the front of `input` up to
// `plus`, -1 from its end down to `minus`. Each is the place of the input's
// codes in a block of 16 outputs, in bytes, from the chunk's first input on.
struct hb_plane {
    uint16_t *plus, *minus;
    uint16_t input[LIST];
};

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

// sums[k] = 2 * sums[k] + lanes, codes k and k + 4 in the halves of a word.
static inline void hb_lanes_double_and_add(uint32_t *sums, struct hb_lanes s)
{
    const uint32_t even = s.all - (s.odd << 4);
    sums[0] = 2 * sums[0] + (even & 0x00FF00FF);
    sums[1] = 2 * sums[1] + (s.odd & 0x00FF00FF);
    sums[2] = 2 * sums[2] + (even >> 8 & 0x00FF00FF);
    sums[3] = 2 * sums[3] + (s.odd >> 8 & 0x00FF00FF);
}

// y[k] += STEP * sum of code k - offset
HB_APART void hb_flush(int32_t *y, const uint32_t *sums, uint32_t offset)
{
    for (int k = 0; k < 4; k++) {
        y[k] = (int32_t)((uint32_t)y[k] + STEP * (sums[k] & 0xFFFF) - offset);
        y[k + 4] =
            (int32_t)((uint32_t)y[k + 4] + STEP * (sums[k] >> 16) - offset);
    }
}

static inline const uint32_t *hb_at(const uint32_t *w, uint32_t bytes)
{
    return (const uint32_t *)(const void *)((const char *)w + bytes);
}

// y[0 ... 15] += the chunk's part of them; their codes are two words.
HB_APART void hb_block_of_16(int32_t *y, const uint32_t *w,
                             const struct hb_plane *planes, uint32_t offset)
{
    uint32_t sums[8] = {0};
    for (const struct hb_plane *p = planes + PLANES; p-- > planes;) {
        struct hb_lanes a = {0, 0}, b = {0, 0};
        const uint16_t *i = p->minus;
        for (; i < p->input + LIST; i++) {
            const uint32_t *c = hb_at(w, *i);
            a = hb_lanes_add(a, ~c[0]);
            b = hb_lanes_add(b, ~c[1]);
        }
        for (i = p->input; i < p->plus; i++) {
            const uint32_t *c = hb_at(w, *i);
            a = hb_lanes_add(a, c[0]);
            b = hb_lanes_add(b, c[1]);
        }
        hb_lanes_double_and_add(sums, a);
        hb_lanes_double_and_add(sums + 4, b);
    }
    hb_flush(y, sums, offset);
    hb_flush(y + 8, sums + 4, offset);
}

// y[0 ... 7] += the chunk's part of them; their codes are one word.
HB_APART void hb_block_of_8(int32_t *y, const uint32_t *w,
                            const struct hb_plane *planes, uint32_t offset)
{
    uint32_t sums[4] = {0};
    for (const struct hb_plane *p = planes + PLANES; p-- > planes;) {
        struct hb_lanes a = {0, 0};
        const uint16_t *i = p->minus;
        for (; i < p->input + LIST; i++) {
            a = hb_lanes_add(a, ~*hb_at(w, *i >> 1));
        }
        for (i = p->input; i < p->plus; i++) {
            a = hb_lanes_add(a, *hb_at(w, *i >> 1));
        }
        hb_lanes_double_and_add(sums, a);
    }
    hb_flush(y, sums, offset);
}

// Puts an input into the lists of its digits. 1 where one is full then.
static inline int hb_list(struct hb_plane *p, int32_t x, uint16_t at)
{
    int full = 0;
    for (;; p += 2) {
        for (; (x & 1) == 0; x >>= 1) {
            p++;
        }
        if ((x & 2) == 0) {
            *p->plus++ = at;
        } else {
            *--p->minus = at;
            x++;
        }
        if (p->plus == p->minus) {
            full = 1;
        }
        x >>= 2;
        if (x == 0) {
            return full;
        }
    }
}

// Lists inputs until a list is full. Returns the first that is not listed;
// *digits is the sum of the sizes of all digits.
HB_APART const int8_t *hb_chunk(struct hb_plane *planes, uint32_t *digits,
                                const int8_t *x, const int8_t *end)
{
    for (int k = 0; k < PLANES; k++) {
        planes[k].plus = planes[k].input;
        planes[k].minus = planes[k].input + LIST;
    }
    const int8_t *first = x;
    uint32_t sum = 0;
    if (end - first > 0x1FFF) {
        end = first + 0x1FFF;
    }
    while (x < end) {
        const int32_t v = *x++;
        if (v == 0) {
            continue;
        }
        sum += (uint32_t)((v ^ 3 * v) >> 1);
        if (hb_list(planes, v, (uint16_t)((x - first) * 8 - 8))) {
            break;
        }
    }
    *digits = sum;
    return x;
}

// code * x
static inline int32_t hb_product(uint32_t code, int32_t x)
{
    int32_t sum = 0;
    for (; code != 0; code >>= 1, x *= 2) {
        sum += -(int32_t)(code & 1) & x;
    }
    return sum;
}

// The sum of output `o` of those that fill no block: their codes are rows.
HB_APART int32_t hb_row_sum(const int8_t *x, const uint8_t *row, size_t n_in)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n_in; i++) {
        const uint8_t code = i % 2 ? *row++ >> 4 : *row & 15;
        if (x[i] != 0) {
            sum += STEP * hb_product(code, x[i]) - OFFSET * x[i];
        }
    }
    return sum;
}

void HB_LINEAR(int32_t *y, const int8_t *x, const uint32_t *w, size_t n_in,
               size_t n_out)
{
    struct hb_plane planes[PLANES];
    const uint8_t *row = (const uint8_t *)w + n_out / 8 * 4 * n_in;
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
        if (o >= n_out / 8 * 8) {
            y[o] = hb_row_sum(x, row, n_in);
            row += (n_in + 1) / 2;
        }
    }
    const int8_t *next = x;
    while (next < x + n_in) {
        const int8_t *first = next;
        uint32_t digits;
        next = hb_chunk(planes, &digits, first, x + n_in);
        const uint32_t offset = OFFSET * digits;
        const uint32_t *block = w;
        size_t o = 0;
        for (; n_out - o >= 16; o += 16, block += 2 * n_in) {
            hb_block_of_16(y + o, block + 2 * (first - x), planes, offset);
        }
        if (n_out - o >= 8) {
            hb_block_of_8(y + o, block + (first - x), planes, offset);
        }
    }
}
