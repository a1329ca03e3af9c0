// ESP32-C3, loaded to RAM: clock and UART0 as the boot ROM leaves them.
// SPDX-License-Identifier: Apache-2.0

#include "hb_port.h"

#define UART_FIFO UINT32_C(0x60000000)
#define UART_STATUS UINT32_C(0x6000001C)
#define RTC_WDT UINT32_C(0x60008090)
#define RTC_WDT_KEY UINT32_C(0x600080A8)
#define RTC_SWD UINT32_C(0x600080AC)
#define RTC_SWD_KEY UINT32_C(0x600080B0)
#define TIMG0_WDT UINT32_C(0x6001F048)
#define TIMG0_WDT_KEY UINT32_C(0x6001F064)
#define SYSTIMER_UPDATE UINT32_C(0x60023004)
#define SYSTIMER_VALUE UINT32_C(0x60023044)

const uint32_t hb_port_cycles_mask = 0xFFFFFFFF;

void hb_port_init(void)
{
    HB_REG(RTC_WDT_KEY) = UINT32_C(0x50D83AA1);
    HB_REG(RTC_WDT) = 0;
    HB_REG(RTC_SWD_KEY) = UINT32_C(0x8F1D312A);
    HB_REG(RTC_SWD) |= UINT32_C(1) << 31; // feeds itself
    HB_REG(TIMG0_WDT_KEY) = UINT32_C(0x50D83AA1);
    HB_REG(TIMG0_WDT) = UINT32_C(1) << 22; // off; the bit makes it take effect
}

void hb_port_write(uint8_t byte)
{
    while ((HB_REG(UART_STATUS) >> 16 & 0x3FF) >= 100) { // the queue holds 128
    }
    HB_REG(UART_FIFO) = byte;
}

int16_t hb_port_read(void)
{
    return HB_REG(UART_STATUS) & 0x3FF ? (int16_t)(HB_REG(UART_FIFO) & 0xFF)
                                       : -1;
}

// The system timer counts at 16 MHz, the core runs at 20 MHz.
uint32_t hb_port_cycles(void)
{
    HB_REG(SYSTIMER_UPDATE) = UINT32_C(1) << 30;
    while (!(HB_REG(SYSTIMER_UPDATE) >> 29 & 1)) {
    }
    const uint32_t ticks = HB_REG(SYSTIMER_VALUE);
    return ticks + (ticks >> 2);
}
