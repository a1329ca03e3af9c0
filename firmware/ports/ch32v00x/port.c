// CH32V003 and CH32V002: 48 MHz from the internal oscillator, USART1 on PD5
// and PD6.
// SPDX-License-Identifier: Apache-2.0

#include "hb_port.h"

#define RCC_CTLR UINT32_C(0x40021000)
#define RCC_CFGR0 UINT32_C(0x40021004)
#define RCC_APB2PCENR UINT32_C(0x40021018)
#define FLASH_ACTLR UINT32_C(0x40022000)
#define GPIOD_CFGLR UINT32_C(0x40011400)
#define GPIOD_OUTDR UINT32_C(0x4001140C)
#define USART1_STATR UINT32_C(0x40013800)
#define USART1_DATAR UINT32_C(0x40013804)
#define USART1_BRR UINT32_C(0x40013808)
#define USART1_CTLR1 UINT32_C(0x4001380C)
#define STK_CTLR UINT32_C(0xE000F000)
#define STK_CNTL UINT32_C(0xE000F008)

const uint32_t hb_port_cycles_mask = 0xFFFFFFFF;

static void clock_init(void)
{
    HB_REG(FLASH_ACTLR) = HB_FLASH_WAIT_STATES;
    HB_REG(RCC_CFGR0) = 0;                  // bus undivided, PLL from HSI
    HB_REG(RCC_CTLR) |= UINT32_C(1) << 24;  // PLL on: 2 * 24 MHz
    while (!(HB_REG(RCC_CTLR) >> 25 & 1)) { // until it is locked
    }
    HB_REG(RCC_CFGR0) = 2;                     // run from the PLL
    while ((HB_REG(RCC_CFGR0) & 0xC) != 0x8) { // until it does
    }
}

void hb_port_init(void)
{
    clock_init();
    HB_REG(RCC_APB2PCENR) |= UINT32_C(1) << 14 | UINT32_C(1) << 5;
    HB_REG(GPIOD_OUTDR) |= UINT32_C(1) << 6; // PD6 is pulled up
    HB_REG(GPIOD_CFGLR) = (HB_REG(GPIOD_CFGLR) & ~(UINT32_C(0xFF) << 20)) |
                          UINT32_C(0x9) << 20 |
                          UINT32_C(0x8) << 24; // PD5 output, PD6 input
    HB_REG(USART1_BRR) = HB_DIVIDER(HB_CLOCK_HZ, UINT32_C(115200));
    HB_REG(USART1_CTLR1) = 0x200C; // on, transmitter, receiver
    HB_REG(STK_CTLR) = 5;          // counts cycles of the core
}

void hb_port_write(uint8_t byte)
{
    while (!(HB_REG(USART1_STATR) & 0x80)) {
    }
    HB_REG(USART1_DATAR) = byte;
}

int16_t hb_port_read(void)
{
    return HB_REG(USART1_STATR) & 0x20 ? (int16_t)(HB_REG(USART1_DATAR) & 0xFF)
                                       : -1;
}

uint32_t hb_port_cycles(void)
{
    return HB_REG(STK_CNTL);
}
