// What the parts of the app share. The model's own part is hb_app_model.h,
// which halfbyte generates.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_APP_H
#define HB_APP_H

#include "hb.h"
#include "hb_app_model.h"

// Buffers of the app, the only ones: RAM is known when the image is linked.
extern HB_APP_RAW_TYPE hb_app_raw[HB_APP_RAW_SIZE];
extern int8_t hb_app_x[HB_APP_INPUT_SIZE];
extern int32_t hb_app_scores[HB_APP_SCORES];
extern int32_t hb_app_arena[(HB_APP_ARENA_BYTES + 3) / 4];

// CRC-32 (reflected, polynomial 0xEDB88320) of n more bytes. The CRC of a
// whole is ~hb_crc(... hb_crc(HB_CRC_BEGIN, ...) ...).
#define HB_CRC_BEGIN UINT32_C(0xFFFFFFFF)
uint32_t hb_crc(uint32_t crc, const void *bytes, size_t n);

// CRC of the scores that stand in hb_app_scores.
uint32_t hb_app_crc(void);

// Runs sample k < HB_APP_SAMPLES; the scores are in hb_app_scores, the cycles
// are returned.
uint32_t hb_app_sample(size_t k);

// Runs hb_app_x; the scores are in hb_app_scores, the cycles are returned.
uint32_t hb_app_infer(void);

// How many of the stored samples give other scores than the reference: 0 on a
// chip that works. Compiled out by -DHB_SELFTEST=0.
#ifndef HB_SELFTEST
#define HB_SELFTEST 1
#endif
size_t hb_selftest(void);

// Answers what came in over the UART, SPEC 9; returns when nothing more comes.
void hb_serve(void);

#endif
