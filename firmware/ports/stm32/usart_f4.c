// The UART of the STM32F4.
// SPDX-License-Identifier: Apache-2.0

#include "hb_port.h"
#include "stm32.h"

enum {
    SR = 0x00,
    DR = 0x04,
    BRR = 0x08,
    CR1 = 0x0C,
};

void hb_usart_init(uint32_t divider)
{
    HB_REG(HB_USART + BRR) = divider;
    HB_REG(HB_USART + CR1) = 0x200C; // on, transmitter, receiver
}

void hb_port_write(uint8_t byte)
{
    while (!(HB_REG(HB_USART + SR) & 0x80)) {
    }
    HB_REG(HB_USART + DR) = byte;
}

int16_t hb_port_read(void)
{
    return HB_REG(HB_USART + SR) & 0x20
               ? (int16_t)(HB_REG(HB_USART + DR) & 0xFF)
               : -1;
}
