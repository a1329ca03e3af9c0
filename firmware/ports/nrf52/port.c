// nRF52840: 64 MHz, UART0 on P0.06 and P0.08.
// SPDX-License-Identifier: Apache-2.0

#include "dwt.h"
#include "hb_port.h"

#define NVMC_ICACHECNF UINT32_C(0x4001E540)
#define CLOCK_HFCLKSTART UINT32_C(0x40000000)
#define CLOCK_HFCLKSTARTED UINT32_C(0x40000100)
#define UART_STARTRX UINT32_C(0x40002000)
#define UART_STARTTX UINT32_C(0x40002008)
#define UART_RXDRDY UINT32_C(0x40002108)
#define UART_TXDRDY UINT32_C(0x4000211C)
#define UART_ENABLE UINT32_C(0x40002500)
#define UART_PSELTXD UINT32_C(0x4000250C)
#define UART_PSELRXD UINT32_C(0x40002514)
#define UART_RXD UINT32_C(0x40002518)
#define UART_TXD UINT32_C(0x4000251C)
#define UART_BAUDRATE UINT32_C(0x40002524)
#define GPIO_OUTSET UINT32_C(0x50000508)
#define GPIO_DIRSET UINT32_C(0x50000518)
#define GPIO_PIN_CNF UINT32_C(0x50000700)

enum {
    TX = 6,
    RX = 8,
};

void hb_port_init(void)
{
    HB_REG(NVMC_ICACHECNF) = 1;   // code from the cache
    HB_REG(CLOCK_HFCLKSTART) = 1; // the crystal: its baud rate is exact
    while (!HB_REG(CLOCK_HFCLKSTARTED)) {
    }
    HB_REG(GPIO_OUTSET) = UINT32_C(1) << TX;
    HB_REG(GPIO_DIRSET) = UINT32_C(1) << TX;
    HB_REG(GPIO_PIN_CNF + 4 * RX) = 0x0C; // input connected, pulled up
    HB_REG(UART_PSELTXD) = TX;
    HB_REG(UART_PSELRXD) = RX;
    HB_REG(UART_BAUDRATE) = UINT32_C(0x01D7E000); // 115200
    HB_REG(UART_ENABLE) = 4;
    HB_REG(UART_STARTTX) = 1;
    HB_REG(UART_STARTRX) = 1;
    hb_dwt_init();
}

void hb_port_write(uint8_t byte)
{
    HB_REG(UART_TXDRDY) = 0;
    HB_REG(UART_TXD) = byte;
    while (!HB_REG(UART_TXDRDY)) {
    }
}

int16_t hb_port_read(void)
{
    if (!HB_REG(UART_RXDRDY)) {
        return -1;
    }
    HB_REG(UART_RXDRDY) = 0; // before the byte is taken, or the next is lost
    return (int16_t)(HB_REG(UART_RXD) & 0xFF);
}
