// The app: runs the stored samples, prints what comes out, then answers frames.
// SPDX-License-Identifier: Apache-2.0

#include "hb_app.h"
#include "hb_port.h"

struct hb_app_result hb_app_result;

int main(void);

#if HB_APP_ROWS > 0
struct hb_app_memory hb_app_memory;

uint8_t hb_app_push(void)
{
    static uint16_t next; // row that is expected
    const uint16_t y = hb_app_memory.payload.y;
    if (y > 0 && y + 1 == next) {
        return 1; // the answer to it was lost
    }
    if (y >= HB_APP_ROWS || (y > 0 && y != next)) {
        return 0;
    }
    const uint32_t before = hb_port_cycles();
    if (y == 0) {
        hb_app_result.cycles = 0;
        hb_app_push_begin(hb_app_memory.arena);
    }
    hb_app_push_row(hb_app_memory.arena, hb_app_memory.payload.raw);
    next = (uint16_t)(y + 1);
    if (next == HB_APP_ROWS) {
        hb_app_push_end(hb_app_result.scores, hb_app_memory.arena);
    }
    hb_app_result.cycles += (hb_port_cycles() - before) & hb_port_cycles_mask;
    return 1;
}
#else
union hb_app_memory hb_app_memory;
int8_t hb_app_x[HB_APP_INPUT_SIZE];

void hb_app_infer(void)
{
    const uint32_t before = hb_port_cycles();
    hb_app_run(hb_app_result.scores, hb_app_x, hb_app_memory.arena);
    hb_app_result.cycles = (hb_port_cycles() - before) & hb_port_cycles_mask;
}
#endif

static void print(const HB_ROM char *text)
{
    while (*text != 0) {
        hb_port_write((uint8_t)*text++);
    }
}

#if HB_APP_SAMPLES > 0
uint32_t hb_app_sample(size_t k)
{
#if HB_APP_ROWS > 0
    const size_t n = HB_APP_RAW_SIZE / HB_APP_ROWS;
    const HB_ROM HB_APP_RAW_TYPE *from = hb_app_samples + k * HB_APP_RAW_SIZE;
    for (uint16_t y = 0; y < HB_APP_ROWS; y++) {
        hb_app_memory.payload.y = y;
        for (size_t i = 0; i < n; i++) {
            hb_app_memory.payload.raw[i] = *from++;
        }
        hb_app_push();
    }
#else
    const HB_ROM int8_t *from = hb_app_samples + k * HB_APP_INPUT_SIZE;
    for (size_t i = 0; i < HB_APP_INPUT_SIZE; i++) {
        hb_app_x[i] = from[i];
    }
    hb_app_infer();
#endif
    return ~hb_crc(HB_CRC_BEGIN, hb_app_result.scores,
                   sizeof hb_app_result.scores);
}

// v in at least so many digits; divided bit by bit, for chips without a
// divider.
static void print_number(uint32_t v, size_t base, size_t least)
{
    uint8_t digits[10];
    size_t n = 0;
    do {
        size_t rest = 0; // < base
        for (size_t bit = 0; bit < 32; bit++) {
            rest = rest << 1 | (size_t)(v >> 31);
            v <<= 1;
            if (rest >= base) {
                rest -= base;
                v |= 1;
            }
        }
        digits[n++] = (uint8_t)(rest + (rest < 10 ? '0' : 'a' - 10));
    } while (v > 0 || n < least);
    while (n-- > 0) {
        hb_port_write(digits[n]);
    }
}

static void print_score(int32_t v)
{
    hb_port_write(' ');
    if (v < 0) {
        hb_port_write('-');
    }
    print_number(v < 0 ? 0 - (uint32_t)v : (uint32_t)v, 10, 1);
}

static void print_sample(size_t k)
{
    static const HB_ROM char scores[] = "scores";
    static const HB_ROM char class[] = " class ";
    static const HB_ROM char crc[] = " crc ";
    static const HB_ROM char cycles[] = " cycles ";
    static const HB_ROM char end[] = "\r\n";
    const uint32_t found = hb_app_sample(k);
    print(scores);
    for (size_t i = 0; i < HB_APP_SCORES; i++) {
        print_score(hb_app_result.scores[i]);
    }
    print(class);
    print_number(hb_argmax(hb_app_result.scores, HB_APP_SCORES), 10, 1);
    print(crc);
    print_number(found, 16, 8);
    print(cycles);
    print_number(hb_app_result.cycles, 10, 1);
    print(end);
}
#endif

int main(void)
{
    hb_port_init();
    print(hb_app_hello);
#if HB_APP_SAMPLES > 0
    for (size_t k = 0; k < HB_APP_SAMPLES; k++) {
        print_sample(k);
    }
#if HB_SELFTEST
    static const HB_ROM char good[] = "selftest ok\r\n";
    static const HB_ROM char bad[] = "selftest FAILED\r\n";
    print(hb_selftest() == 0 ? good : bad);
#endif
#endif
    for (;;) {
        hb_serve();
    }
}
