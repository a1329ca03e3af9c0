// From reset to main on AVR: initialized data copied from program memory, the
// rest zeroed.
// SPDX-License-Identifier: Apache-2.0

#include "hb.h"

// Of the linker script.
extern const HB_ROM uint8_t hb_data_load[];
extern uint8_t hb_data_begin[], hb_data_end[];
extern uint8_t hb_bss_begin[], hb_bss_end[];

int main(void);
void hb_boot(void);

// Jumped to by the start code with a stack, never returns. The pointers are
// volatile so that no compiler makes a call of memset of the loops.
void hb_boot(void)
{
    const HB_ROM uint8_t *from = hb_data_load;
    for (volatile uint8_t *to = hb_data_begin; to < hb_data_end; to++) {
        *to = *from++;
    }
    for (volatile uint8_t *to = hb_bss_begin; to < hb_bss_end; to++) {
        *to = 0;
    }
    main();
    for (;;) {
    }
}
