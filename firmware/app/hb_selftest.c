// hb_selftest: the stored samples against the reference's scores.
// SPDX-License-Identifier: Apache-2.0

#include "hb_app.h"

#if HB_SELFTEST && HB_APP_SAMPLES > 0
size_t hb_selftest(void)
{
    size_t wrong = 0;
    for (size_t k = 0; k < HB_APP_SAMPLES; k++) {
        wrong += hb_app_sample(k) != hb_app_golden[k];
    }
    return wrong;
}
#else
typedef int hb_selftest_is_compiled_out;
#endif
