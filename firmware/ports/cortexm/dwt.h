// The counter of cycles of a Cortex-M3 and up.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_DWT_H
#define HB_DWT_H

// Starts the counter; hb_port_cycles reads it.
void hb_dwt_init(void);

#endif
