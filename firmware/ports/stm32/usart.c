// The UART of the STM32G0 and STM32C0.
// SPDX-License-Identifier: Apache-2.0

#include "hb_port.h"
#include "stm32.h"

enum {
    CR1 = 0x00,
    BRR = 0x0C,
    ISR = 0x1C,
    ICR = 0x20,
    RDR = 0x24,
    TDR = 0x28,
};

void hb_usart_init(uint32_t divider)
{
    HB_REG(HB_USART + BRR) = divider;
    HB_REG(HB_USART + CR1) = 0x0D; // on, transmitter, receiver
}

void hb_port_write(uint8_t byte)
{
    while (!(HB_REG(HB_USART + ISR) & 0x80)) {
    }
    HB_REG(HB_USART + TDR) = byte;
}

int16_t hb_port_read(void)
{
    HB_REG(HB_USART + ICR) = 0x08; // an overrun would stop the receiver
    return HB_REG(HB_USART + ISR) & 0x20
               ? (int16_t)(HB_REG(HB_USART + RDR) & 0xFF)
               : -1;
}
