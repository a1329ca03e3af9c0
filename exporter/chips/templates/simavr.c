// Drives simavr one instruction at a time: counting, checking, and a UART that
// takes no time. simavr (GPL-3.0-or-later) is the machine's own.
// SPDX-License-Identifier: Apache-2.0

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <simavr/sim_avr.h>

// As in watch.c.
enum {
    IS_CODE = 1,
    IS_RUN = 2,
    IS_INPUT = 4,
    IS_LAYER = 8,
    IS_POLL = 16,
};

enum fault {
    NONE,
    BAD_CODE = 1, // executed what is not an instruction of the image
    OUTSIDE = 3,  // accessed what is neither memory nor a known register
    NO_STACK = 5, // the stack reached the data
    CRASHED = 6,  // simavr gave up
};

enum stop {
    WAITING, // in front of hb_port_read, with nothing more to read
    CALLED,  // in front of the function that is watched
    TIRED,   // so many instructions were executed
    FAULTED,
};

struct range {
    uint64_t begin, end;
};

// A function that is counted, as in watch.c.
struct region {
    uint64_t mark, calls, count, cycles;
    uint64_t *layers;
    uint64_t n_layers, most, fewest;
    int64_t *executions; // of every halfword
    uint64_t layer;
};

struct machine {
    avr_t *avr;
    const uint16_t *marks; // for every halfword of code
    uint64_t code_size;
    const struct range *ranges; // of data memory that may be accessed
    uint64_t n_ranges;
    uint64_t flash_end;
    uint64_t stack_begin, stack_low;
    struct region regions[2];
    uint64_t total; // instructions executed
    uint64_t fault, address;
    int64_t active; // region being counted, or -1
    uint64_t back, back_sp;
    uint64_t tx, rx;
    uint64_t tx_status, tx_mask, tx_ready; // ready: (status & mask) == ready
    uint64_t rx_status, rx_mask, rx_ready;
    const uint8_t *input;
    uint64_t n_input;
    uint8_t *output;
    uint64_t n_output, max_output;
    uint64_t patience, empty; // reads of an empty UART that may be, that were
    uint64_t watched, passed; // halfword to stop at; it has stopped there
    int64_t outer;            // region that called another one, or -1
    uint64_t outer_back, outer_sp;
};

int32_t hb_avr_open(struct machine *m, const char *name, uint32_t hz);
uint32_t hb_avr_run(struct machine *m, uint64_t steps);
uint64_t hb_avr_pc(const struct machine *m);
uint64_t hb_avr_flash_size(const struct machine *m);
void hb_avr_load(struct machine *m, uint32_t at, const uint8_t *p, uint32_t n);
void hb_avr_fill(struct machine *m, uint32_t at, uint8_t value, uint32_t n);
void hb_avr_read(const struct machine *m, uint32_t at, uint8_t *p, uint32_t n);
void hb_avr_close(struct machine *m);

static void refuse(struct machine *m, enum fault fault, uint64_t address)
{
    if (m->fault == NONE) {
        m->fault = fault;
        m->address = address;
    }
}

// ---- UART -----------------------------------------------------------------

static uint8_t on_read(struct avr_t *avr, avr_io_addr_t at, void *user)
{
    struct machine *m = user;
    if (at == m->rx && m->n_input > 0) {
        m->n_input--;
        return *m->input++;
    }
    uint64_t value = avr->data[at];
    if (at == m->tx_status) {
        value = (value & ~m->tx_mask) | m->tx_ready;
    }
    if (at == m->rx_status) {
        const uint64_t ready = m->n_input > 0 ? m->rx_ready : ~m->rx_ready;
        value = (value & ~m->rx_mask) | (ready & m->rx_mask);
        m->empty = m->n_input > 0 ? 0 : m->empty + 1;
    }
    return (uint8_t)value;
}

static void on_write(struct avr_t *avr, avr_io_addr_t at, uint8_t value,
                     void *user)
{
    struct machine *m = user;
    if (at != m->tx) {
        avr->data[at] = value;
    } else if (m->n_output < m->max_output) {
        m->output[m->n_output++] = value;
        m->empty = 0;
    }
}

static void play(struct machine *m, uint64_t at)
{
    const size_t i = (size_t)AVR_DATA_TO_IO(at);
    m->avr->io[i].r.c = on_read;
    m->avr->io[i].r.param = m;
    m->avr->io[i].w.c = on_write;
    m->avr->io[i].w.param = m;
}

// ---- What an instruction will do ------------------------------------------

static uint16_t pair(const avr_t *avr, size_t low)
{
    return (uint16_t)(avr->data[low] | avr->data[low + 1] << 8);
}

static uint16_t word(const avr_t *avr, uint64_t at)
{
    return (uint16_t)(avr->flash[at] | avr->flash[at + 1] << 8);
}

static uint32_t is_call(uint16_t op)
{
    return (op & 0xFE0E) == 0x940E || (op & 0xF000) == 0xD000 || op == 0x9509;
}

static uint32_t is_push(uint16_t op)
{
    return (op & 0xFE0F) == 0x920F;
}

static uint32_t is_load_program(uint16_t op)
{
    return (op & 0xFE0E) == 0x9004 || op == 0x95C8;
}

// The address of a load or store through X, Y or Z.
static uint16_t indirect(const avr_t *avr, uint16_t op)
{
    static const uint8_t pointer[16] = {0, R_ZL, R_ZL, 0, 0,    0,    0,    0,
                                        0, R_YL, R_YL, 0, R_XL, R_XL, R_XL, 0};
    const size_t low = op & 15;
    const uint16_t at = pair(avr, pointer[low]);
    return low == 2 || low == 10 || low == 14 ? (uint16_t)(at - 1) : at;
}

// The address in data memory that an instruction accesses, the stack apart; -1
// if none. `writes` tells whether it writes there.
static int32_t accessed(const avr_t *avr, uint16_t op, uint32_t *writes)
{
    *writes = op & 0x0200;
    if ((op & 0xD000) == 0x8000) { // with displacement
        const size_t base = op & 8 ? R_YL : R_ZL;
        const int32_t q = (op >> 8 & 0x20) | (op >> 7 & 0x18) | (op & 7);
        return (uint16_t)(pair(avr, base) + q);
    }
    if ((op & 0xFC0F) == 0x9000) { // lds, sts
        return word(avr, avr->pc + 2);
    }
    if ((op & 0xFC00) == 0x9000 && (op & 15) != 15 && !is_load_program(op)) {
        return indirect(avr, op);
    }
    if ((op & 0xF000) == 0xB000) { // in, out
        *writes = op & 0x0800;
        return 0x20 + ((op & 15) | (op >> 5 & 0x30));
    }
    if ((op & 0xFC00) == 0x9800) { // cbi, sbic, sbi, sbis
        *writes = !(op & 0x0100);
        return 0x20 + (op >> 3 & 31);
    }
    return -1;
}

static void check(struct machine *m, uint16_t op)
{
    uint32_t writes;
    const int32_t at = accessed(m->avr, op, &writes);
    if (is_load_program(op) && pair(m->avr, R_ZL) >= m->flash_end) {
        refuse(m, OUTSIDE, pair(m->avr, R_ZL));
    }
    if (at < 0) {
        return;
    }
    const uint64_t address = (uint64_t)at;
    uint64_t i = 0;
    while (i < m->n_ranges &&
           !(m->ranges[i].begin <= address && address < m->ranges[i].end)) {
        i++;
    }
    if (i == m->n_ranges) {
        refuse(m, OUTSIDE, address);
    }
    if (writes && address >= m->stack_begin && address < m->stack_low) {
        m->stack_low = address;
    }
}

// The stack pointer is believed where it is used, and when its low byte, which
// compilers write last, has been written.
static void check_stack(struct machine *m, uint16_t op)
{
    if (is_push(op) || is_call(op) || (op & 0xFE0F) == 0xBE0D) { // out SPL
        const uint64_t low = pair(m->avr, R_SPL) + UINT64_C(1);
        m->stack_low = low < m->stack_low ? low : m->stack_low;
        if (low < m->stack_begin) {
            refuse(m, NO_STACK, low);
        }
    }
}

// ---- Counting -------------------------------------------------------------

static void close_region(struct machine *m)
{
    struct region *r = &m->regions[m->active];
    r->most = r->layer > r->most ? r->layer : r->most;
    r->fewest = r->layer < r->fewest ? r->layer : r->fewest;
    m->active = m->outer;
    m->back = m->outer_back;
    m->back_sp = m->outer_sp;
    m->outer = -1;
}

static void open_region(struct machine *m, uint16_t mark)
{
    const uint64_t sp = pair(m->avr, R_SPL);
    for (int64_t i = 0; i < 2; i++) {
        if (m->regions[i].mark & mark) {
            m->outer = m->active;
            m->outer_back = m->back;
            m->outer_sp = m->back_sp;
            m->active = i;
            m->regions[i].calls++;
            m->regions[i].layer = 0;
            m->back =
                (uint64_t)(m->avr->data[sp + 1] << 8 | m->avr->data[sp + 2]) *
                2;
            m->back_sp = sp + 2;
        }
    }
}

// `at` is executed in `cycles`; `came` tells whether the instruction in front
// of it was a call or a jump.
static void count(struct machine *m, uint64_t at, uint64_t cycles,
                  uint32_t came)
{
    struct region *r = &m->regions[m->active];
    const uint16_t mark = m->marks[at];
    if (came && mark & IS_LAYER) {
        r->layer = mark >> 8 ? mark >> 8 : r->layer + 1;
    }
    const uint64_t layer = r->layer > 0 ? r->layer - 1 : 0;
    if (layer < r->n_layers) {
        r->layers[layer]++;
    }
    r->count++;
    r->cycles += cycles;
    r->executions[at]++;
}

// ---- The machine ----------------------------------------------------------

static void silent(struct avr_t *avr, const int level, const char *format,
                   va_list arguments)
{
    (void)avr;
    (void)level;
    (void)format;
    (void)arguments;
}

int32_t hb_avr_open(struct machine *m, const char *name, uint32_t hz)
{
    avr_global_logger_set(silent);
    m->avr = avr_make_mcu_by_name(name);
    if (m->avr == NULL || avr_init(m->avr) != 0) {
        return 0;
    }
    m->avr->frequency = hz;
    m->avr->log = LOG_NONE;
    m->avr->run_cycle_limit = 1; // one instruction for each avr_run
    m->avr->run_cycle_count = 1;
    play(m, m->tx);
    play(m, m->rx);
    play(m, m->tx_status);
    play(m, m->rx_status);
    return 1;
}

void hb_avr_close(struct machine *m)
{
    avr_terminate(m->avr);
}

void hb_avr_load(struct machine *m, uint32_t at, const uint8_t *p, uint32_t n)
{
    memcpy(m->avr->flash + at, p, n);
}

void hb_avr_fill(struct machine *m, uint32_t at, uint8_t value, uint32_t n)
{
    memset(m->avr->data + at, value, n);
}

void hb_avr_read(const struct machine *m, uint32_t at, uint8_t *p, uint32_t n)
{
    memcpy(p, m->avr->data + at, n);
}

uint64_t hb_avr_flash_size(const struct machine *m)
{
    return m->avr->flashend + UINT64_C(1);
}

uint64_t hb_avr_pc(const struct machine *m)
{
    return m->avr->pc;
}

static void step(struct machine *m, uint64_t at, uint16_t op, uint32_t came)
{
    const uint64_t before = m->avr->cycle;
    const int64_t counted = m->active;
    check(m, op);
    if (m->fault != NONE) {
        return;
    }
    if (avr_run(m->avr) != cpu_Running) {
        refuse(m, CRASHED, at * 2);
    }
    check_stack(m, op);
    m->total++;
    if (counted >= 0) {
        count(m, at, m->avr->cycle - before, came);
    }
}

uint32_t hb_avr_run(struct machine *m, uint64_t steps)
{
    uint32_t came = 0;
    while (m->fault == NONE && steps-- > 0) {
        const uint64_t at = m->avr->pc / 2;
        if (m->avr->pc >= m->code_size || !(m->marks[at] & IS_CODE)) {
            refuse(m, BAD_CODE, m->avr->pc);
            break;
        }
        const uint16_t mark = m->marks[at];
        if (mark & IS_POLL && m->empty > m->patience) {
            return WAITING;
        }
        if (at == m->watched && !m->passed) {
            m->passed = 1;
            return CALLED;
        }
        m->passed = 0;
        if (m->active >= 0 && m->avr->pc == m->back &&
            pair(m->avr, R_SPL) == m->back_sp) {
            close_region(m);
        }
        const uint16_t opens = m->active < 0    ? IS_RUN | IS_INPUT
                               : m->active == 0 ? IS_INPUT
                                                : 0;
        if (mark & opens) {
            open_region(m, mark);
        }
        const uint16_t op = word(m->avr, m->avr->pc);
        step(m, at, op, came);
        // jmp, rjmp or a call: how control gets from one function to another
        came =
            is_call(op) || (op & 0xFE0E) == 0x940C || (op & 0xF000) == 0xC000;
    }
    return m->fault == NONE ? TIRED : FAULTED;
}
