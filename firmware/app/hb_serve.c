// hb_serve: frames over the UART, SPEC 9.
// SPDX-License-Identifier: Apache-2.0

#include "hb_app.h"
#include "hb_port.h"

enum {
    SYNC = 0xA5,
    INFO = 0x01,
    RUN = 0x02,
    REPLY = 0x80, // or'ed to the type that is answered
    ERROR = 0xFF,
};

enum error {
    BAD_CRC = 1,
    BAD_LENGTH = 2,
    BAD_TYPE = 3,
    TOO_SLOW = 4,
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

static uint32_t send(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        hb_port_write(p[i]);
    }
    return hb_crc(crc, bytes, n);
}

// A frame of a payload in two parts; multi-byte numbers are little-endian, as
// all these chips are.
static void reply(uint8_t type, const void *a, size_t n_a, const void *b,
                  size_t n_b)
{
    const uint16_t length = (uint16_t)(n_a + n_b);
    hb_port_write(SYNC);
    uint32_t crc = send(HB_CRC_BEGIN, &type, 1);
    crc = send(crc, &length, 2);
    crc = send(crc, a, n_a);
    crc = send(crc, b, n_b);
    crc = ~crc;
    send(0, &crc, 4);
}

static void refuse(enum error error)
{
    const uint8_t code = (uint8_t)error;
    reply(ERROR, &code, 1, &code, 0);
}

static void answer_info(void)
{
    static const uint32_t sizes[2] = {sizeof hb_app_raw, HB_APP_SCORES};
    reply(INFO | REPLY, HB_APP_DIGEST, sizeof HB_APP_DIGEST - 1, sizes,
          sizeof sizes);
}

static void answer_run(void)
{
    hb_app_input(hb_app_x, hb_app_raw);
    const uint32_t cycles = hb_app_infer();
    reply(RUN | REPLY, hb_app_scores, sizeof hb_app_scores, &cycles, 4);
}

void hb_serve(void)
{
    uint8_t head[3]; // type, length
    uint32_t crc;
    if (hb_port_read() != SYNC) {
        return;
    }
    if (!receive(head, 3)) {
        refuse(TOO_SLOW);
        return;
    }
    const uint16_t length = (uint16_t)(head[1] | (uint16_t)head[2] << 8);
    if (head[0] != INFO && head[0] != RUN) {
        refuse(BAD_TYPE);
        return;
    }
    if (length != (head[0] == RUN ? sizeof hb_app_raw : 0)) {
        refuse(BAD_LENGTH);
        return;
    }
    if (!receive(hb_app_raw, length) || !receive(&crc, 4)) {
        refuse(TOO_SLOW);
        return;
    }
    const uint32_t found = hb_crc(HB_CRC_BEGIN, head, 3);
    if (~hb_crc(found, hb_app_raw, length) != crc) {
        refuse(BAD_CRC);
        return;
    }
    if (head[0] == RUN) {
        answer_run();
    } else {
        answer_info();
    }
}
