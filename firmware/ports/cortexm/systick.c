// The 24-bit SysTick timer as a counter of cycles.
// SPDX-License-Identifier: Apache-2.0

#include "systick.h"
#include "hb_port.h"

enum {
    CONTROL = 0xE010,
    RELOAD = 0xE014,
    VALUE = 0xE018,
};
#define SYSTEM UINT32_C(0xE0000000)

const uint32_t hb_port_cycles_mask = 0xFFFFFF;

void hb_systick_init(void)
{
    HB_REG(SYSTEM + RELOAD) = 0xFFFFFF;
    HB_REG(SYSTEM + VALUE) = 0;
    HB_REG(SYSTEM + CONTROL) = 5; // the core's clock, running, no interrupt
}

uint32_t hb_port_cycles(void)
{
    return 0 - HB_REG(SYSTEM + VALUE); // it counts down
}
