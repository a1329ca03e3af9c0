// What the files of the STM32 port share.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_STM32_H
#define HB_STM32_H

#include <stdint.h>

// Starts the UART at HB_USART, whose clock is enabled.
// `divider` is HB_DIVIDER of that clock, in Hz.
void hb_usart_init(uint32_t divider);

#endif
