// ATmega328P: clock as the fuses say (16 MHz crystal on an Arduino Uno), USART0
// on PD0 and PD1, timer 1.
// SPDX-License-Identifier: Apache-2.0

#include "hb_port.h"

// A register, by its address in data memory.
#define REG8(address) (*(volatile uint8_t *)(address))

enum {
    TCCR1A = 0x80,
    TCCR1B = 0x81,
    TCNT1L = 0x84,
    TCNT1H = 0x85,
    UCSR0A = 0xC0,
    UCSR0B = 0xC1,
    UCSR0C = 0xC2,
    UBRR0L = 0xC4,
    UBRR0H = 0xC5,
    UDR0 = 0xC6,
};

enum {
    RXC0 = 0x80,  // a byte has come
    UDRE0 = 0x20, // there is room for one
    U2X0 = 0x02,  // the baud rate is clock / 8 / (UBRR + 1)
    RXEN0 = 0x10,
    TXEN0 = 0x08,
    EIGHT_BITS = 0x06,
    CLOCK_BY_1024 = 0x05,
};

// 16 bits of 1,024 cycles each: 4.2 seconds at 16 MHz.
const uint32_t hb_port_cycles_mask = 0x3FFFFFF;

// A boot loader may have used both the timer and the UART: nothing is left as
// it was found.
void hb_port_init(void)
{
    const uint16_t divider =
        (uint16_t)(HB_DIVIDER(HB_CLOCK_HZ, UINT32_C(8) * 115200) - 1);
    REG8(UCSR0A) = U2X0;
    REG8(UBRR0H) = (uint8_t)(divider >> 8);
    REG8(UBRR0L) = (uint8_t)divider;
    REG8(UCSR0C) = EIGHT_BITS;
    REG8(UCSR0B) = RXEN0 | TXEN0;
    REG8(TCCR1A) = 0;
    REG8(TCCR1B) = CLOCK_BY_1024;
}

void hb_port_write(uint8_t byte)
{
    while (!(REG8(UCSR0A) & UDRE0)) {
    }
    REG8(UDR0) = byte;
}

int16_t hb_port_read(void)
{
    return REG8(UCSR0A) & RXC0 ? REG8(UDR0) : -1;
}

uint32_t hb_port_cycles(void)
{
    const uint8_t low = REG8(TCNT1L); // and holds the high byte
    return (uint32_t)((uint16_t)(REG8(TCNT1H) << 8) | low) << 10;
}
