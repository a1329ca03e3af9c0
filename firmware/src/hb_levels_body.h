// Decodes a row; each hb_levels_<format>.c includes it and defines HB_LEVELS,
// the name of the kernel, and HB_NEXT_LEVEL(codes) as for hb_conv_body.h.
// SPDX-License-Identifier: Apache-2.0

void HB_LEVELS(int16_t *level, const HB_ROM uint8_t *w, size_t n)
{
    struct hb_codes codes = {w, 0, 0};
    for (; n > 0; n--) {
        *level++ = HB_NEXT_LEVEL(&codes);
    }
}
