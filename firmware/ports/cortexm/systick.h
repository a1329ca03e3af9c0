// The counter of cycles of a Cortex-M without a DWT.
// SPDX-License-Identifier: Apache-2.0

#ifndef HB_SYSTICK_H
#define HB_SYSTICK_H

// Starts the timer; hb_port_cycles reads it.
void hb_systick_init(void);

#endif
