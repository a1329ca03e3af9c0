// From reset to main: initialized data copied, the rest zeroed.
// SPDX-License-Identifier: Apache-2.0

#include <stdint.h>

// Of the linker script; all aligned to 4 bytes, and .bss follows .data.
extern uint32_t hb_data_load[], hb_data_begin[], hb_data_end[], hb_bss_end[];

int main(void);
void hb_boot(void);

// Called by the start code with a stack, never returns. The pointers are
// volatile so that no compiler makes a call of memcpy or memset of the loops.
void hb_boot(void)
{
    const uint32_t *from = hb_data_load;
    volatile uint32_t *to = hb_data_begin;
    while (to < hb_data_end) {
        *to++ = *from++;
    }
    while (to < hb_bss_end) {
        *to++ = 0;
    }
    main();
    for (;;) {
    }
}
