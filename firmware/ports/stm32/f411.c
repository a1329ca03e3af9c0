// STM32F411: 100 MHz from the internal oscillator, USART2 on PA2 and PA3.
// SPDX-License-Identifier: Apache-2.0

#include "dwt.h"
#include "hb_port.h"
#include "stm32.h"

#define RCC_CR UINT32_C(0x40023800)
#define RCC_PLLCFGR UINT32_C(0x40023804)
#define RCC_CFGR UINT32_C(0x40023808)
#define RCC_AHB1ENR UINT32_C(0x40023830)
#define RCC_APB1ENR UINT32_C(0x40023840)
#define PWR_CR UINT32_C(0x40007000)
#define PWR_CSR UINT32_C(0x40007004)
#define FLASH_ACR UINT32_C(0x40023C00)
#define GPIOA_MODER UINT32_C(0x40020000)
#define GPIOA_AFRL UINT32_C(0x40020020)

static void clock_init(void)
{
    HB_REG(FLASH_ACR) = 0x703; // caches, prefetch, 3 wait states for 100 MHz
    HB_REG(RCC_APB1ENR) |= UINT32_C(1) << 28;
    HB_REG(PWR_CR) |= UINT32_C(3) << 14; // more than 84 MHz ask for scale 1
    // 16 MHz / 8 * 100 / 2; the output Q, 200 / 5 MHz, is not used
    HB_REG(RCC_PLLCFGR) = UINT32_C(5) << 24 | UINT32_C(100) << 6 | 8;
    HB_REG(RCC_CR) |= UINT32_C(1) << 24; // PLL on
    while (!(HB_REG(RCC_CR) >> 25 & 1)) {
    }
    while (!(HB_REG(PWR_CSR) >> 14 & 1)) { // the voltage follows the PLL
    }
    HB_REG(RCC_CFGR) = 0x1002; // run from it, APB1 at half of that
    while ((HB_REG(RCC_CFGR) & 0xC) != 0x8) {
    }
}

void hb_port_init(void)
{
    clock_init();
    HB_REG(RCC_AHB1ENR) |= 1;
    HB_REG(RCC_APB1ENR) |= UINT32_C(1) << 17;
    HB_REG(GPIOA_AFRL) = (HB_REG(GPIOA_AFRL) & ~UINT32_C(0xFF00)) | 0x7700;
    HB_REG(GPIOA_MODER) = (HB_REG(GPIOA_MODER) & ~UINT32_C(0xF0)) | 0xA0;
    hb_usart_init(HB_DIVIDER(HB_CLOCK_HZ / 2, UINT32_C(115200)));
    hb_dwt_init();
}
