// STM32C011: 48 MHz from the internal oscillator, USART2 on PA2 and PA3.
// SPDX-License-Identifier: Apache-2.0

#include "hb_port.h"
#include "stm32.h"
#include "systick.h"

#define RCC_CR UINT32_C(0x40021000)
#define RCC_IOPENR UINT32_C(0x40021034)
#define RCC_APBENR1 UINT32_C(0x4002103C)
#define FLASH_ACR UINT32_C(0x40022000)
#define GPIOA_MODER UINT32_C(0x50000000)
#define GPIOA_AFRL UINT32_C(0x50000020)

static void clock_init(void)
{
    HB_REG(FLASH_ACR) |= 1; // a wait state for 48 MHz
    while ((HB_REG(FLASH_ACR) & 7) != 1) {
    }
    HB_REG(RCC_CR) &= ~(UINT32_C(7) << 11); // the oscillator undivided
}

void hb_port_init(void)
{
    clock_init();
    HB_REG(RCC_IOPENR) |= 1;
    HB_REG(RCC_APBENR1) |= UINT32_C(1) << 17;
    HB_REG(GPIOA_AFRL) = (HB_REG(GPIOA_AFRL) & ~UINT32_C(0xFF00)) | 0x1100;
    HB_REG(GPIOA_MODER) = (HB_REG(GPIOA_MODER) & ~UINT32_C(0xF0)) | 0xA0;
    hb_usart_init(HB_DIVIDER(HB_CLOCK_HZ, UINT32_C(115200)));
    hb_systick_init();
}
