// hb_crc: CRC-32, bit by bit: small, and fast enough for a UART.
// SPDX-License-Identifier: Apache-2.0

#include "hb_app.h"

uint32_t hb_crc(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n-- > 0) {
        crc ^= *p++;
        for (uint8_t bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ UINT32_C(0xEDB88320) : crc >> 1;
        }
    }
    return crc;
}
