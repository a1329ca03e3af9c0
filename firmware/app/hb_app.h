// What the parts of the app share. The model's own part is hb_app_model.h,
// which halfbyte generates.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_APP_H
#define HB_APP_H

#include "hb.h"
#include "hb_app_model.h"

// Buffers of the app, the only ones: RAM is known when the image is linked.
#if HB_APP_ROWS > 0
// The raw sample comes row by row, and no more than a row of it is kept.
struct hb_app_row {
    uint16_t y;
    HB_APP_RAW_TYPE raw[HB_APP_RAW_SIZE / HB_APP_ROWS];
};
struct hb_app_memory {
    int32_t arena[(HB_APP_ARENA_BYTES + 3) / 4];
    struct hb_app_row payload;
};
extern struct hb_app_memory hb_app_memory;

// Runs the row in the payload: the first, the next one, or that which came last
// once more, if its answer was lost. Returns 0 for one that is out of order.
// Behind the last row scores and cycles are in hb_app_result.
uint8_t hb_app_push(void);

#define HB_APP_PAYLOAD_BYTES (2 + sizeof hb_app_memory.payload.raw)
#else
// No layer needs the raw sample any more, so the arena lies over it.
union hb_app_memory {
    HB_APP_RAW_TYPE payload[HB_APP_RAW_SIZE];
    int32_t arena[(HB_APP_ARENA_BYTES + 3) / 4];
};
extern union hb_app_memory hb_app_memory;
extern int8_t hb_app_x[HB_APP_INPUT_SIZE];

// Runs hb_app_x; scores and cycles are in hb_app_result.
void hb_app_infer(void);

#define HB_APP_PAYLOAD_BYTES sizeof hb_app_memory.payload
#endif

// What the layers gave: the answer to a sample that came over the UART.
struct hb_app_result {
    int32_t scores[HB_APP_SCORES];
    uint32_t cycles;
};
extern struct hb_app_result hb_app_result;

// CRC-32 (reflected, polynomial 0xEDB88320) of n more bytes. The CRC of a
// whole is ~hb_crc(... hb_crc(HB_CRC_BEGIN, ...) ...).
#define HB_CRC_BEGIN UINT32_C(0xFFFFFFFF)
uint32_t hb_crc(uint32_t crc, const void *bytes, size_t n);

// Runs stored sample k < HB_APP_SAMPLES; returns the CRC of its scores.
uint32_t hb_app_sample(size_t k);

// How many of the stored samples give other scores than the reference: 0 on a
// chip that works. Compiled out by -DHB_SELFTEST=0.
#ifndef HB_SELFTEST
#define HB_SELFTEST 1
#endif
size_t hb_selftest(void);

// Answers what came in over the UART, SPEC 9; returns when nothing more comes.
void hb_serve(void);

#endif
