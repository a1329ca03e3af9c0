// Watching every tensor: included before a model that is compiled to be traced.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_TRACE_H
#define HB_TRACE_H

#include <stddef.h>
#include <stdint.h>

// Does nothing; an emulator stops here and reads `bytes` bytes of operation
// `layer`, from byte `offset` of its output on, at p. A port that no emulator
// runs has its own, and defines HB_TRACE_BY_PORT.
void hb_trace(size_t layer, size_t offset, const void *p, size_t bytes);

#define HB_TRACE(layer, first, ptr, n)                                         \
    hb_trace((layer), (first) * sizeof *(ptr), (ptr), (n) * sizeof *(ptr))

#endif
