// RP2040: 125 MHz from the 12 MHz crystal, UART0 on GPIO0 and GPIO1.
// SPDX-License-Identifier: Apache-2.0

#include "hb_port.h"
#include "systick.h"

#define RESETS_CLEAR UINT32_C(0x4000F000) // writes clear bits
#define RESETS_DONE UINT32_C(0x4000C008)
#define CLK_REF_CTRL UINT32_C(0x40008030)
#define CLK_REF_SELECTED UINT32_C(0x40008038)
#define CLK_SYS_CTRL UINT32_C(0x4000803C)
#define CLK_SYS_SELECTED UINT32_C(0x40008044)
#define CLK_PERI_CTRL UINT32_C(0x40008048)
#define XOSC_CTRL UINT32_C(0x40024000)
#define XOSC_STATUS UINT32_C(0x40024004)
#define XOSC_STARTUP UINT32_C(0x4002400C)
#define PLL_CS UINT32_C(0x40028000)
#define PLL_PWR UINT32_C(0x40028004)
#define PLL_FBDIV UINT32_C(0x40028008)
#define PLL_PRIM UINT32_C(0x4002800C)
#define GPIO0_CTRL UINT32_C(0x40014004)
#define GPIO1_CTRL UINT32_C(0x4001400C)
#define UART_DR UINT32_C(0x40034000)
#define UART_FR UINT32_C(0x40034018)
#define UART_IBRD UINT32_C(0x40034024)
#define UART_FBRD UINT32_C(0x40034028)
#define UART_LCR UINT32_C(0x4003402C)
#define UART_CR UINT32_C(0x40034030)

// IO_BANK0, PADS_BANK0, PLL_SYS
#define UNITS (UINT32_C(1) << 5 | UINT32_C(1) << 8 | UINT32_C(1) << 12)
#define UART0 (UINT32_C(1) << 22)

// Takes units out of reset.
static void release(uint32_t units)
{
    HB_REG(RESETS_CLEAR) = units;
    while ((HB_REG(RESETS_DONE) & units) != units) {
    }
}

static void clock_init(void)
{
    HB_REG(XOSC_STARTUP) = 47; // 1 ms
    HB_REG(XOSC_CTRL) = UINT32_C(0xFABAA0);
    while (!(HB_REG(XOSC_STATUS) >> 31)) {
    }
    // Away from the PLL that the boot ROM set up, and only then to another:
    // just this one of the two switches is safe while it is in use.
    HB_REG(CLK_SYS_CTRL) &= ~UINT32_C(1);
    while (!(HB_REG(CLK_SYS_SELECTED) & 1)) {
    }
    HB_REG(CLK_REF_CTRL) = 2; // crystal
    while (!(HB_REG(CLK_REF_SELECTED) & 4)) {
    }
    HB_REG(PLL_CS) = 1; // 12 MHz * 125 / 6 / 2
    HB_REG(PLL_FBDIV) = 125;
    HB_REG(PLL_PWR) = 0x0C; // on, but for its last dividers
    while (!(HB_REG(PLL_CS) >> 31)) {
    }
    HB_REG(PLL_PRIM) = UINT32_C(6) << 16 | UINT32_C(2) << 12;
    HB_REG(PLL_PWR) = 0x04;
    HB_REG(CLK_SYS_CTRL) = 0;
    HB_REG(CLK_SYS_CTRL) = 1; // PLL
    while (!(HB_REG(CLK_SYS_SELECTED) & 2)) {
    }
    HB_REG(CLK_PERI_CTRL) = UINT32_C(1) << 11; // as the core
}

void hb_port_init(void)
{
    release(UNITS);
    clock_init();
    release(UART0);         // it leaves reset only with a clock
    HB_REG(GPIO0_CTRL) = 2; // UART
    HB_REG(GPIO1_CTRL) = 2;
    HB_REG(UART_IBRD) = HB_DIVIDER(HB_CLOCK_HZ * 4, UINT32_C(115200)) >> 6;
    HB_REG(UART_FBRD) = HB_DIVIDER(HB_CLOCK_HZ * 4, UINT32_C(115200)) & 63;
    HB_REG(UART_LCR) = 0x70; // 8 bits, queues on
    HB_REG(UART_CR) = 0x301; // on, transmitter, receiver
    hb_systick_init();
}

void hb_port_write(uint8_t byte)
{
    while (HB_REG(UART_FR) & 0x20) {
    }
    HB_REG(UART_DR) = byte;
}

int16_t hb_port_read(void)
{
    return HB_REG(UART_FR) & 0x10 ? -1 : (int16_t)(HB_REG(UART_DR) & 0xFF);
}
