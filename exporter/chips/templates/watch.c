// Hooks of the emulator: counting and checking, too often called for Python.
// SPDX-License-Identifier: Apache-2.0

#include <stddef.h>
#include <stdint.h>

enum {
    IS_CODE = 1,   // an instruction begins here
    IS_RUN = 2,    // hb_<model>_run begins here, or a part of it
    IS_INPUT = 4,  // hb_<model>_input begins here, or its kernel
    IS_LAYER = 8, // a kernel of the network begins here
    IS_POLL = 16,  // hb_port_read begins here
};

enum fault {
    NONE,
    BAD_CODE,  // executed what is not an instruction of the image
    UNALIGNED, // accessed an address that is no multiple of the size
    OUTSIDE,   // accessed what is neither memory nor a known register
    READ_ONLY, // wrote to flash
    STACK,     // the stack reached the data
};

struct range {
    uint64_t begin, end;
    uint64_t writable;
};

// A function that is counted: `count` instructions in `calls` calls. Counts of
// its layers are those from the call that begins a layer to the next such call;
// it has the number in the upper half of its mark, or, with 0 there, the next.
struct region {
    uint64_t mark, calls, count;
    uint64_t *layers;
    uint64_t n_layers, most, fewest; // layers in a call: most, fewest
    int64_t *difference;             // of executions, between halfwords
    int64_t *left, *landed; // jumps from in front of a halfword, and to it
    uint64_t rom_loads;     // loads from flash
    uint64_t layer;         // kernels begun in this call
};

// Code in one memory; its halfwords have slots of their own in all arrays.
struct code {
    uint64_t begin, end;
    uint64_t slot; // of the halfword at `begin`
};

struct watch {
    struct code codes[2];
    uint64_t nowhere;       // a slot without an instruction
    const uint16_t *marks;  // for every slot
    const uint32_t *before; // instructions that begin in front of it
    const struct range *ranges;
    uint64_t n_ranges;
    uint64_t stack_begin, stack_end; // where the stack may lie
    int32_t reg_sp, reg_return;
    int32_t (*reg_read)(void *uc, int32_t reg, void *value);
    int32_t (*reg_write)(void *uc, int32_t reg, const void *value);
    int32_t (*stop)(void *uc);
    struct region regions[2];
    uint64_t total;     // instructions executed
    uint64_t stack_low; // lowest address of the stack that was in use
    uint64_t fault, address, size;
    int64_t active; // region being counted, or -1
    uint64_t back, back_sp;
    uint64_t expected; // slot behind the last block of a region
    int64_t reg_flags; // of Thumb: the flags with the state of IT blocks; or 0
    uint64_t wait;     // stop in front of the next hb_port_read
    uint64_t data_begin; // of what lies in front of the stack
    // A region that called another one, or -1, and where it returns to.
    int64_t outer;
    uint64_t outer_back, outer_sp;
};

static void refuse(void *uc, struct watch *w, enum fault fault,
                   uint64_t address, uint64_t size)
{
    if (w->fault == NONE) {
        w->fault = fault;
        w->address = address;
        w->size = size;
    }
    w->stop(uc);
}

static uint32_t read_register(void *uc, const struct watch *w, int32_t reg)
{
    uint64_t value = 0;
    w->reg_read(uc, reg, &value);
    return (uint32_t)value;
}

// The slot of a block's first halfword, or `nowhere`.
static uint64_t slot_of(const struct watch *w, uint64_t address, uint32_t size)
{
    for (int i = 0; i < 2; i++) {
        const struct code *c = &w->codes[i];
        if (address >= c->begin && address + size <= c->end) {
            return c->slot + (address - c->begin) / 2;
        }
    }
    return w->nowhere;
}

// Where the stack pointer has come to. Outside of the memory with the data it
// is not set yet.
static uint64_t watch_stack(void *uc, struct watch *w)
{
    const uint64_t sp = read_register(uc, w, w->reg_sp);
    if (sp >= w->data_begin && sp < w->stack_begin) {
        refuse(uc, w, STACK, sp, 0);
    } else if (sp >= w->stack_begin && sp < w->stack_low) {
        w->stack_low = sp;
    }
    return sp;
}

static void close_region(struct watch *w)
{
    struct region *r = &w->regions[w->active];
    r->most = r->layer > r->most ? r->layer : r->most;
    r->fewest = r->layer < r->fewest ? r->layer : r->fewest;
    w->active = w->outer;
    w->back = w->outer_back;
    w->back_sp = w->outer_sp;
    w->outer = -1;
}

static void open_region(void *uc, struct watch *w, uint16_t mark, uint64_t sp,
                        uint64_t at)
{
    for (int64_t i = 0; i < 2; i++) {
        if (w->regions[i].mark & mark) {
            w->outer = w->active;
            w->outer_back = w->back;
            w->outer_sp = w->back_sp;
            w->active = i;
            w->regions[i].calls++;
            w->regions[i].layer = 0;
            w->back = read_register(uc, w, w->reg_return) & ~UINT32_C(1);
            w->back_sp = sp;
            w->expected = at;
        }
    }
}

// When a load or store in an IT block is watched, the emulator leaves the state
// that the block had there behind, and applies it to what follows the block.
#define IT_STATE UINT32_C(0x0600FC00)

static void end_it_block(void *uc, const struct watch *w)
{
    const int32_t reg = (int32_t)w->reg_flags;
    uint64_t flags = reg ? read_register(uc, w, reg) : 0;
    if (flags & IT_STATE) {
        flags &= ~IT_STATE;
        w->reg_write(uc, reg, &flags);
    }
}

void hb_watch_block(void *uc, uint64_t address, uint32_t size, void *user);
void hb_watch_access(void *uc, int32_t type, uint64_t address, int32_t size,
                     int64_t value, void *user);

void hb_watch_block(void *uc, uint64_t address, uint32_t size, void *user)
{
    struct watch *w = user;
    const uint64_t at = slot_of(w, address, size);
    const uint64_t end = at + size / 2;
    if (!(w->marks[at] & IS_CODE)) {
        refuse(uc, w, BAD_CODE, address, size);
        return;
    }
    const uint16_t mark = w->marks[at];
    if (w->wait && mark & IS_POLL) {
        w->stop(uc); // it will be executed when the machine goes on
        return;
    }
    const uint64_t sp = watch_stack(uc, w);
    if (w->active >= 0 && address == w->back && sp == w->back_sp) {
        w->regions[w->active].left[w->expected]++; // it returned
        close_region(w);
        if (w->active >= 0) {
            w->regions[w->active].landed[at]++;
            w->expected = at;
        }
    }
    if (w->active < 0 && mark & (IS_RUN | IS_INPUT)) {
        open_region(uc, w, mark, sp, at);
    } else if (w->active == 0 && mark & IS_INPUT) {
        w->regions[0].left[w->expected]++; // it called
        open_region(uc, w, mark, sp, at);
    }
    const uint64_t n = w->before[end] - w->before[at];
    w->total += n;
    if (w->active < 0) {
        return;
    }
    struct region *r = &w->regions[w->active];
    if (mark & IS_LAYER) {
        r->layer = mark >> 8 ? mark >> 8 : r->layer + 1;
    }
    const uint64_t layer = r->layer > 0 ? r->layer - 1 : 0;
    if (layer < r->n_layers) {
        r->layers[layer] += n;
    }
    r->count += n;
    if (at != w->expected) {
        r->left[w->expected]++;
        r->landed[at]++;
    }
    w->expected = end;
    r->difference[at]++;
    r->difference[end]--;
}

void hb_watch_access(void *uc, int32_t type, uint64_t address, int32_t size,
                     int64_t value, void *user)
{
    struct watch *w = user;
    const int writes = type == 17; // UC_MEM_WRITE
    (void)value;
    end_it_block(uc, w);
    if (address & (uint64_t)((size < 4 ? size : 4) - 1)) {
        refuse(uc, w, UNALIGNED, address, (uint64_t)size);
        return;
    }
    for (uint64_t i = 0; i < w->n_ranges; i++) {
        const struct range *r = &w->ranges[i];
        if (address >= r->begin && address + (uint64_t)size <= r->end) {
            if (!writes && !r->writable && w->active >= 0) {
                w->regions[w->active].rom_loads++;
            }
            if (writes && !r->writable) {
                refuse(uc, w, READ_ONLY, address, (uint64_t)size);
            }
            if (writes && address >= w->stack_begin && address < w->stack_low) {
                w->stack_low = address;
            }
            return;
        }
    }
    refuse(uc, w, OUTSIDE, address, (uint64_t)size);
}
