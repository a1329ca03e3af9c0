// The linear kernel of 16 levels in columns, whatever they are; each file that
// includes it defines HB_LINEAR, its name, and hb_products, which makes the
// products of an activation with every level.
// SPDX-License-Identifier: Apache-2.0
//
// An activation that is not 0 gets a table of its 16 products, made by
// additions and shifts; then an output costs a look at it. A chunk of inputs
// has its tables at once, so that the sums of 4 outputs stay in registers.

enum { INPUTS = 12 }; // of a chunk; even, as they are taken two by two

struct hb_input {
    uint32_t at;         // of its codes in a block, in bytes
    int16_t product[16]; // |product| <= 127 * 128
};

static inline unsigned hb_half_word(const uint8_t *w, uint32_t at)
{
    return *(const uint16_t *)(const void *)(w + at);
}

// y[0 ... n - 1] += the products of all inputs with their codes, in blocks of 8
// outputs, n_in words each.
HB_APART void hb_blocks(int32_t *y, size_t n, const uint8_t *w, size_t n_in,
                        const struct hb_input *begin,
                        const struct hb_input *end)
{
    size_t step = 2; // bytes to the next 4 outputs, in a block or in the next
    for (const int32_t *stop = y + n; y < stop; y += 4) {
        int32_t s0 = y[0], s1 = y[1], s2 = y[2], s3 = y[3];
        for (const struct hb_input *in = begin; in < end; in += 2) {
            unsigned codes = hb_half_word(w, in[0].at);
            s0 += in[0].product[codes & 15];
            s1 += in[0].product[codes >> 4 & 15];
            s2 += in[0].product[codes >> 8 & 15];
            s3 += in[0].product[codes >> 12];
            codes = hb_half_word(w, in[1].at);
            s0 += in[1].product[codes & 15];
            s1 += in[1].product[codes >> 4 & 15];
            s2 += in[1].product[codes >> 8 & 15];
            s3 += in[1].product[codes >> 12];
        }
        y[0] = s0;
        y[1] = s1;
        y[2] = s2;
        y[3] = s3;
        w += step;
        step = 4 * n_in - step;
    }
}

// Makes the tables of up to INPUTS inputs from x on, and where they are an odd
// number one of zeros. Returns the first input that has no table; *tables is
// behind the last one made.
HB_APART const int8_t *hb_chunk(struct hb_input **tables, const int8_t *x,
                                const int8_t *end)
{
    struct hb_input *in = *tables;
    const struct hb_input *last = in + INPUTS;
    const int8_t *first = x;
    int odd = 0;
    while (x < end) {
        const int32_t v = *x++;
        if (v == 0) {
            continue;
        }
        in->at = (uint32_t)(x - first - 1) * 4;
        hb_products(in->product, v);
        in++;
        odd ^= 1;
        if (in == last) {
            break;
        }
    }
    if (odd) {
        in->at = 0;
        hb_products(in->product, 0);
        in++;
    }
    *tables = in;
    return x;
}

// The products of all inputs with an output that is in no block, added up. Its
// code of input i is in byte i, in the upper half where odd is 1; where it is
// the last one, in a row. The chunk begins at input `first`.
HB_APART int32_t hb_rest(const uint8_t *w, size_t first, size_t odd,
                         size_t last, const struct hb_input *in,
                         const struct hb_input *end)
{
    int32_t sum = 0;
    for (; in < end; in++) {
        const size_t i = first + in->at / 4;
        const uint8_t byte = w[i >> last];
        sum += in->product[(i & last) | odd ? byte >> 4 : byte & 15];
    }
    return sum;
}

void HB_LINEAR(int32_t *y, const int8_t *x, const uint32_t *w, size_t n_in,
               size_t n_out)
{
    struct hb_input tables[INPUTS];
    for (size_t o = 0; o < n_out; o++) {
        y[o] = 0;
    }
    const size_t in_blocks = n_out & ~(size_t)7;
    for (size_t first = 0, next; first < n_in; first = next) {
        struct hb_input *end = tables;
        next = (size_t)(hb_chunk(&end, x + first, x + n_in) - x);
        const uint8_t *block = (const uint8_t *)(w + first);
        hb_blocks(y, in_blocks, block, n_in, tables, end);
        const uint8_t *rest = (const uint8_t *)w + in_blocks / 2 * n_in;
        for (size_t o = in_blocks; o < n_out; o++) {
            const size_t last = (o ^ 1) == n_out;
            y[o] += hb_rest(rest, first, o & 1, last, tables, end);
            rest += o & 1 ? n_in : 0;
        }
    }
}
