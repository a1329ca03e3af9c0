// hb_trace: where an emulator looks.
// SPDX-License-Identifier: Apache-2.0

#include "hb_trace.h"

#ifndef HB_TRACE_BY_PORT
void hb_trace(size_t layer, size_t offset, const void *p, size_t bytes)
{
    (void)layer;
    (void)offset;
    (void)p;
    (void)bytes;
}
#endif
