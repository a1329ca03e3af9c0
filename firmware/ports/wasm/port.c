// wasm32: whoever embeds the module is the UART, the counter, and the observer
// of every tensor. hb_boot prints and waits; hb_serve answers a frame.
// SPDX-License-Identifier: Apache-2.0

#include "hb_port.h"
#include "hb_trace.h"

#define IMPORT(name) __attribute__((import_module("hb"), import_name(name)))

IMPORT("write") void hb_import_write(uint32_t byte);
IMPORT("read") int32_t hb_import_read(void);
IMPORT("cycles") uint32_t hb_import_cycles(void);
IMPORT("trace")
void hb_import_trace(size_t layer, size_t offset, const void *p, size_t bytes);

const uint32_t hb_port_cycles_mask = 0xFFFFFFFF;

int main(void);
void hb_boot(void);

// Does not return: hb_import_read ends it when the app waits for a frame.
void hb_boot(void)
{
    main();
}

void hb_port_init(void)
{
}

void hb_port_write(uint8_t byte)
{
    hb_import_write(byte);
}

int16_t hb_port_read(void)
{
    return (int16_t)hb_import_read();
}

uint32_t hb_port_cycles(void)
{
    return hb_import_cycles();
}

void hb_trace(size_t layer, size_t offset, const void *p, size_t bytes)
{
    hb_import_trace(layer, offset, p, bytes);
}
