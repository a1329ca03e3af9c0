// The cycle counter of the data watchpoint unit.
// SPDX-License-Identifier: Apache-2.0

#include "dwt.h"
#include "hb_port.h"

#define DWT_CTRL UINT32_C(0xE0001000)
#define DWT_CYCCNT UINT32_C(0xE0001004)
#define DEMCR UINT32_C(0xE000EDFC)

const uint32_t hb_port_cycles_mask = 0xFFFFFFFF;

void hb_dwt_init(void)
{
    HB_REG(DEMCR) |= UINT32_C(1) << 24; // trace units on
    HB_REG(DWT_CYCCNT) = 0;
    HB_REG(DWT_CTRL) |= 1;
}

uint32_t hb_port_cycles(void)
{
    return HB_REG(DWT_CYCCNT);
}
