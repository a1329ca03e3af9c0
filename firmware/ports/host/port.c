// The machine itself: frames over standard input and output. A POSIX system.
// SPDX-License-Identifier: Apache-2.0

#define _POSIX_C_SOURCE 200112L

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "hb_port.h"
#include "hb_trace.h"

enum {
    IN = 0,
    OUT = 1,
    WAIT_MS = 1, // of a poll that finds nothing
};

// What an observer is told, on the file descriptor that HB_EVENTS names: four
// words, and for TRACED the bytes.
enum event {
    WAITING = 1, // for input; bytes read so far, modulo 2^32
    TRACED = 2,  // layer, offset, bytes
};

const uint32_t hb_port_cycles_mask = 0xFFFFFFFF;

static int observer = -1;
static uint8_t in[4096], out[4096];
static size_t in_at, in_end, out_end;
static uint32_t consumed, told = 0xFFFFFFFF; // bytes read, when last WAITING

static void write_all(int file, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n > 0) {
        const ssize_t done = write(file, p, n);
        if (done <= 0) {
            _exit(1);
        }
        p += done;
        n -= (size_t)done;
    }
}

static void flush(void)
{
    write_all(OUT, out, out_end);
    out_end = 0;
}

static void tell(enum event event, uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t words[4] = {(uint32_t)event, a, b, c};
    if (observer >= 0) {
        write_all(observer, words, sizeof words);
    }
}

void hb_port_init(void)
{
    const char *events = getenv("HB_EVENTS");
    if (events != NULL) {
        observer = atoi(events);
    }
}

void hb_port_write(uint8_t byte)
{
    out[out_end++] = byte;
    if (out_end == sizeof out) {
        flush();
    }
}

int16_t hb_port_read(void)
{
    struct pollfd input = {IN, POLLIN, 0};
    if (in_at == in_end) {
        flush();
        if (poll(&input, 1, 0) == 0 && told != consumed) {
            told = consumed;
            tell(WAITING, consumed, 0, 0);
        }
        if (poll(&input, 1, WAIT_MS) <= 0) {
            return -1;
        }
        const ssize_t n = read(IN, in, sizeof in);
        if (n <= 0) {
            _exit(0); // whoever talked to it has gone
        }
        in_at = 0;
        in_end = (size_t)n;
    }
    consumed++;
    return in[in_at++];
}

// Nanoseconds.
uint32_t hb_port_cycles(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)now.tv_sec * UINT32_C(1000000000) + (uint32_t)now.tv_nsec;
}

void hb_trace(size_t layer, size_t offset, const void *p, size_t bytes)
{
    tell(TRACED, (uint32_t)layer, (uint32_t)offset, (uint32_t)bytes);
    if (observer >= 0) {
        write_all(observer, p, bytes);
    }
}
