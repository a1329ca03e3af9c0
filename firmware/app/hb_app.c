// The app: runs the stored samples, prints what comes out, then answers frames.
// SPDX-License-Identifier: Apache-2.0

#include "hb_app.h"
#include "hb_port.h"

HB_APP_RAW_TYPE hb_app_raw[HB_APP_RAW_SIZE];
int8_t hb_app_x[HB_APP_INPUT_SIZE];
int32_t hb_app_scores[HB_APP_SCORES];
int32_t hb_app_arena[(HB_APP_ARENA_BYTES + 3) / 4];

int main(void);

uint32_t hb_app_infer(void)
{
    const uint32_t before = hb_port_cycles();
    hb_app_run(hb_app_scores, hb_app_x, hb_app_arena);
    return (hb_port_cycles() - before) & hb_port_cycles_mask;
}

uint32_t hb_app_crc(void)
{
    return ~hb_crc(HB_CRC_BEGIN, hb_app_scores, sizeof hb_app_scores);
}

#if HB_APP_SAMPLES > 0
uint32_t hb_app_sample(size_t k)
{
    const HB_ROM int8_t *from = hb_app_samples + k * HB_APP_INPUT_SIZE;
    for (size_t i = 0; i < HB_APP_INPUT_SIZE; i++) {
        hb_app_x[i] = from[i];
    }
    return hb_app_infer();
}
#endif

static void print(const char *text)
{
    while (*text != 0) {
        hb_port_write((uint8_t)*text++);
    }
}

static void print_hex(uint32_t v)
{
    for (uint8_t i = 0; i < 8; i++, v <<= 4) {
        hb_port_write((uint8_t)"0123456789abcdef"[v >> 28]);
    }
}

// Decimal by subtraction, for chips without a divider.
static void print_int(int32_t v)
{
    static const uint32_t power[] = {1000000000, 100000000, 10000000, 1000000,
                                     100000,     10000,     1000,     100,
                                     10,         1};
    uint32_t rest = (uint32_t)v;
    hb_port_write(' ');
    if (v < 0) {
        hb_port_write('-');
        rest = 0 - rest;
    }
    uint8_t begun = 0;
    for (uint8_t i = 0; i < 10; i++) {
        uint8_t digit = '0';
        for (; rest >= power[i]; rest -= power[i]) {
            digit++;
        }
        begun |= digit != '0' || i == 9;
        if (begun) {
            hb_port_write(digit);
        }
    }
}

#if HB_APP_SAMPLES > 0
static void print_sample(size_t k)
{
    const uint32_t cycles = hb_app_sample(k);
    print("scores");
    for (size_t i = 0; i < HB_APP_SCORES; i++) {
        print_int(hb_app_scores[i]);
    }
    print(" class");
    print_int((int32_t)hb_argmax(hb_app_scores, HB_APP_SCORES));
    print(" crc ");
    print_hex(hb_app_crc());
    print(" cycles");
    print_int((int32_t)cycles);
    print("\r\n");
}
#endif

int main(void)
{
    hb_port_init();
    print("\r\nhalfbyte " HB_APP_NAME " " HB_APP_DIGEST "\r\n");
#if HB_APP_SAMPLES > 0
    for (size_t k = 0; k < HB_APP_SAMPLES; k++) {
        print_sample(k);
    }
#if HB_SELFTEST
    print(hb_selftest() == 0 ? "selftest ok\r\n" : "selftest FAILED\r\n");
#endif
#endif
    for (;;) {
        hb_serve();
    }
}
