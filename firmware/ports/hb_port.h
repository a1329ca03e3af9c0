// What a port gives the app: a UART and a counter of cycles.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_PORT_H
#define HB_PORT_H

#include <stdint.h>

// A register of the chip.
#define HB_REG(address) (*(volatile uint32_t *)(uintptr_t)(address))

// Clock, UART at 115200 baud 8N1, counter. Called once, before all others.
void hb_port_init(void);

// Sends a byte; waits until there is room for it.
void hb_port_write(uint8_t byte);

// The next byte received, or -1 if there is none.
int16_t hb_port_read(void);

// Cycles of the core since some moment, modulo the mask below: subtract, then
// mask. SysTick of the Cortex-M0 counts 24 bits, so up to 16.7 million cycles.
uint32_t hb_port_cycles(void);
extern const uint32_t hb_port_cycles_mask;

// Bits of a baud rate divider, rounded; constants only.
#define HB_DIVIDER(clock, baud) (((clock) + (baud) / 2) / (baud))

#endif
