// The app: runs the stored samples, prints what comes out, then answers frames.
// SPDX-License-Identifier: Apache-2.0

#include "hb_app.h"
#include "hb_port.h"

union hb_app_memory hb_app_memory;
int8_t hb_app_x[HB_APP_INPUT_SIZE];
struct hb_app_result hb_app_result;

int main(void);

void hb_app_infer(void)
{
    const uint32_t before = hb_port_cycles();
    hb_app_run(hb_app_result.scores, hb_app_x, hb_app_memory.arena);
    hb_app_result.cycles = (hb_port_cycles() - before) & hb_port_cycles_mask;
}

static void print(const HB_ROM char *text)
{
    while (*text != 0) {
        hb_port_write((uint8_t)*text++);
    }
}

#if HB_APP_SAMPLES > 0
uint32_t hb_app_sample(size_t k)
{
    const HB_ROM int8_t *from = hb_app_samples + k * HB_APP_INPUT_SIZE;
    for (size_t i = 0; i < HB_APP_INPUT_SIZE; i++) {
        hb_app_x[i] = from[i];
    }
    hb_app_infer();
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
