// The linear kernel of 16 levels in columns, whatever they are; each file that
// includes it defines HB_LINEAR, its name, and hb_products, which makes the
// products of an activation with every level.
// SPDX-License-Identifier: Apache-2.0
//
// An activation that is not 0 gets a table of its 16 products, made by
// additions and shifts; then an output costs a look at it. A chunk of inputs
// has its tables at once, so that the sums of 8 outputs stay in registers.

enum { INPUTS = 12 }; // of a chunk

struct hb_input {
    union hb_table table;
    int32_t next; // where the codes of the next input are, below 0: nowhere
};

// Where the codes of an input are in a block: bytes from those of the first one
// that was looked at.
struct hb_chunk {
    int32_t at; // of input[0]
    struct hb_input input[INPUTS];
};

// y[0 ... 7] += the products of all inputs with their codes in a block, which
// has one at least. A product is at most 127 * 128: it fits an int16_t.
//
// The loop is stated in C, and for RISC-V in assembly: 8 sums, the codes, a
// product and two pointers are all that the 12 registers of RV32E hold, and no
// compiler finds that.
#if defined(__riscv)

typedef char
    hb_inputs_are_36_bytes[sizeof(struct hb_input) == 36 &&
                                   offsetof(struct hb_chunk, input) == 4
                               ? 1
                               : -1];

// Adds to a sum the product that a2 + 4 has of the code in bits 1 to 4 of a0,
// after `shift` has put it there.
#define HB_PRODUCT(sum, shift)                                                 \
    shift "andi a0, a0, 30\n\t"                                                \
          "add a0, a0, a2\n\t"                                                 \
          "lh a0, 4(a0)\n\t"                                                   \
          "add " sum ", " sum ", a0\n\t"
#define HB_NEXT(sum, k) HB_PRODUCT(sum, "srli a0, a5, 4*" #k "-1\n\t")
#define HB_INPUTS                                                              \
    "lw a0, (a2)\n"                                                            \
    "0:\n\t"                                                                   \
    "add a0, a0, a1\n\t"                                                       \
    "lw a5, (a0)\n\t" HB_PRODUCT("ra", "slli a0, a5, 1\n\t") HB_NEXT("t0", 1)  \
        HB_NEXT("t1", 2) HB_NEXT("t2", 3) HB_NEXT("s0", 4) HB_NEXT("s1", 5)    \
            HB_NEXT("a3", 6) HB_NEXT("a4", 7) "lw a0, 36(a2)\n\t"              \
                                              "addi a2, a2, 36\n\t"            \
                                              "bgez a0, 0b\n\t"
#define HB_SUMS(move)                                                          \
    move " ra, (a0)\n\t" move " t0, 4(a0)\n\t" move " t1, 8(a0)\n\t" move      \
         " t2, 12(a0)\n\t" move " s0, 16(a0)\n\t" move " s1, 20(a0)\n\t" move  \
         " a3, 24(a0)\n\t" move " a4, 28(a0)\n\t"
#define HB_ENTER                                                               \
    "addi sp, sp, -16\n\t"                                                     \
    "sw ra, (sp)\n\t"                                                          \
    "sw s0, 4(sp)\n\t"                                                         \
    "sw s1, 8(sp)\n\t"                                                         \
    "sw a0, 12(sp)\n\t"
#define HB_LEAVE                                                               \
    "lw ra, (sp)\n\t"                                                          \
    "lw s0, 4(sp)\n\t"                                                         \
    "lw s1, 8(sp)\n\t"                                                         \
    "addi sp, sp, 16"

HB_APART void hb_block(int32_t *y, const uint8_t *w,
                       const struct hb_chunk *chunk)
{
    register int32_t *a0 __asm__("a0") = y; // then a place or a product
    register const uint8_t *a1 __asm__("a1") = w;
    register const struct hb_chunk *a2 __asm__("a2") = chunk; // an input - 4
    __asm__ volatile(HB_ENTER HB_SUMS("lw") HB_INPUTS
                     "lw a0, 12(sp)\n\t" HB_SUMS("sw") HB_LEAVE
                     : "+r"(a0), "+r"(a1), "+r"(a2)
                     :
                     : "t0", "t1", "t2", "a3", "a4", "a5", "memory");
}

#else

HB_APART void hb_block(int32_t *y, const uint8_t *w,
                       const struct hb_chunk *chunk)
{
    int32_t at = chunk->at;
    for (const struct hb_input *in = chunk->input; at >= 0; at = in++->next) {
        uint32_t codes = *(const uint32_t *)(const void *)(w + at);
        for (int k = 0; k < 8; k++, codes >>= 4) {
            y[k] += in->table.product[codes & 15];
        }
    }
}

#endif

// Makes the tables of up to INPUTS inputs from x on. Returns the first one that
// was not looked at.
HB_APART const int8_t *hb_list(struct hb_chunk *chunk, const int8_t *x,
                               const int8_t *end)
{
    int32_t *at = &chunk->at;
    const int8_t *first = x;
    const struct hb_input *last = chunk->input + INPUTS;
    for (struct hb_input *in = chunk->input; in < last; in++) {
        while (x < end && *x == 0) {
            x++;
        }
        if (x == end) {
            break;
        }
        *at = (int32_t)((x - first) * 4);
        at = &in->next;
        hb_products(&in->table, *x++);
    }
    *at = -1;
    return x;
}

// The products of all inputs with an output that is in no block, added up. Its
// code of input i is in byte i, in the upper half where odd is 1; where it is
// the last one, in a row. The chunk begins at input `first`.
HB_APART int32_t hb_rest(const uint8_t *w, size_t first, size_t odd,
                         size_t last, const struct hb_chunk *chunk)
{
    int32_t sum = 0, at = chunk->at;
    for (const struct hb_input *in = chunk->input; at >= 0; at = in++->next) {
        const size_t i = first + (size_t)at / 4;
        const uint8_t byte = w[i >> last];
        sum += in->table.product[(i & last) | odd ? byte >> 4 : byte & 15];
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
    for (size_t first = 0, next; first < n_in; first = next) {
        next = (size_t)(hb_list(&chunk, x + first, x + n_in) - x);
        if (chunk.at < 0) {
            break; // the last chunk, of nothing but zeros
        }
        const uint8_t *block = (const uint8_t *)(w + first);
        for (size_t o = 0; o < in_blocks; o += 8, block += 4 * n_in) {
            hb_block(y + o, block, &chunk);
        }
        const uint8_t *rest = (const uint8_t *)w + in_blocks / 2 * n_in;
        for (size_t o = in_blocks; o < n_out; o++) {
            const size_t last = (o ^ 1) == n_out;
            y[o] += hb_rest(rest, first, o & 1, last, &chunk);
            rest += o & 1 ? n_in : 0;
        }
    }
}
