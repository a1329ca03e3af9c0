// hb_serve: frames over the UART, SPEC 9.
// SPDX-License-Identifier: Apache-2.0

#include "hb_app.h"
#include "hb_port.h"

enum {
    SYNC = 0xA5,
    INFO = 0x01,
    RUN = HB_APP_ROWS > 0 ? 0x03 : 0x02, // a row, or a whole sample
    REPLY = 0x80,                        // or'ed to the type that is answered
    ERROR = 0xFF,
};

enum error {
    NONE = 0,
    BAD_CRC = 1,
    BAD_LENGTH = 2,
    BAD_TYPE = 3,
    TOO_SLOW = 4,
    BAD_ROW = 5, // neither the first, nor the next, nor the last one again
};

// Polls of an empty UART before a frame that has begun counts as cut off.
#ifndef HB_PATIENCE
#define HB_PATIENCE UINT32_C(2000000)
#endif

static int16_t wait_byte(void)
{
    for (uint32_t i = 0; i < HB_PATIENCE; i++) {
        const int16_t byte = hb_port_read();
        if (byte >= 0) {
            return byte;
        }
    }
    return -1;
}

// n bytes into p, a byte of RAM each; 0 where they did not all come.
static uint8_t receive(void *p, size_t n)
{
    for (uint8_t *to = p; n > 0; n--) {
        const int16_t byte = wait_byte();
        if (byte < 0) {
            return 0;
        }
        *to++ = (uint8_t)byte;
    }
    return 1;
}

static void send(const void *bytes, size_t n)
{
    for (const uint8_t *p = bytes; n > 0; n--) {
        hb_port_write(*p++);
    }
}

// A frame; multi-byte numbers are little-endian, as all these chips are.
static void reply(uint8_t type, const void *payload, size_t n)
{
    const uint8_t head[4] = {SYNC, type, (uint8_t)n, (uint8_t)(n >> 8)};
    uint32_t crc = hb_crc(HB_CRC_BEGIN, head + 1, 3);
    crc = ~hb_crc(crc, payload, n);
    send(head, 4);
    send(payload, n);
    send(&crc, 4);
}

static void answer_run(void)
{
#if HB_APP_ROWS > 0
    if (!hb_app_push()) {
        const uint8_t error = BAD_ROW;
        reply(ERROR, &error, 1);
        return;
    }
#else
    hb_app_input(hb_app_x, hb_app_memory.payload);
    hb_app_infer();
#endif
    reply(RUN | REPLY, &hb_app_result, sizeof hb_app_result);
}

// The rest of a frame, its payload into hb_app_memory, and its type.
static enum error receive_frame(uint8_t *type)
{
    uint8_t head[3]; // type, length
    uint32_t crc;
    if (!receive(head, 3)) {
        return TOO_SLOW;
    }
    *type = head[0];
    if (*type != INFO && *type != RUN) {
        return BAD_TYPE;
    }
    const uint16_t length = (uint16_t)(head[1] | (uint16_t)head[2] << 8);
    if (length != (*type == RUN ? HB_APP_PAYLOAD_BYTES : 0)) {
        return BAD_LENGTH;
    }
    if (!receive(&hb_app_memory.payload, length) || !receive(&crc, 4)) {
        return TOO_SLOW;
    }
    const uint32_t found = hb_crc(HB_CRC_BEGIN, head, 3);
    return ~hb_crc(found, &hb_app_memory.payload, length) == crc ? NONE
                                                                 : BAD_CRC;
}

void hb_serve(void)
{
    uint8_t type = 0;
    if (hb_port_read() != SYNC) {
        return;
    }
    const uint8_t error = (uint8_t)receive_frame(&type);
    if (error != NONE) {
        reply(ERROR, &error, 1);
    } else if (type == RUN) {
        answer_run();
    } else {
        reply(INFO | REPLY, hb_app_info, sizeof hb_app_info);
    }
}
