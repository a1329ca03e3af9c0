// The convolution kernel of one format; each hb_conv_<format>.c includes it.
// SPDX-License-Identifier: Apache-2.0
//
// The includer defines HB_CONV, the name of the kernel, and
// HB_NEXT_LEVEL(codes), the level of the next code of a struct hb_codes.
//
// A code is decoded once for all pixels of the output row. Which of them meet a
// pixel of the map is found once for each place (ky, kx) of the kernel, so
// padding costs nothing in the loop over pixels. That loop takes 4 channels at
// once: a sum lies in memory, so one load and one store serve 4 products.

void HB_CONV(int32_t *acc, const int8_t *const *rows, const HB_ROM uint8_t *w,
             size_t first, const HB_ROM hb_window *window)
{
    const int n_out = (int)window->n_out;
    const int n_in = (int)window->n_in;
    const int stride = window->stride;
    const size_t pixel = window->pixel;
    const size_t step = pixel * window->stride;
    struct hb_codes codes = {w, 0, 0};

    for (int x = 0; x < n_out; x++) {
        acc[x] = 0;
    }
    for (uint8_t ky = 0; ky < window->kernel_h; ky++) {
        const int8_t *row = rows[ky];
        for (uint8_t kx = 0; kx < window->kernel_w; kx++) {
            // Output pixels begin ... end - 1 meet input pixels p ... q; none
            // do where the row is outside the map, but its codes are read.
            int begin = 0, end = row == NULL ? 0 : n_out;
            int p = kx - window->pad;
            int q = p + (n_out - 1) * stride; // <= 32766
            for (; end > 0 && q >= n_in; q -= stride) {
                end--;
            }
            for (; begin < end && p < 0; p += stride) {
                begin++;
            }

            const int32_t *stop = acc + end;
            size_t in = (size_t)p * pixel + first;
            uint16_t left = window->channels;
            for (; left >= 4; left = (uint16_t)(left - 4), in += 4) {
                const int w0 = HB_NEXT_LEVEL(&codes);
                const int w1 = HB_NEXT_LEVEL(&codes);
                const int w2 = HB_NEXT_LEVEL(&codes);
                const int w3 = HB_NEXT_LEVEL(&codes);
                size_t i = in;
                for (int32_t *sum = acc + begin; sum < stop; sum++, i += step) {
                    // 16 bits hold two products: 2 * 128 * 127 < 2^15
                    *sum += (int32_t)(w0 * row[i] + w1 * row[i + 1]) +
                            (w2 * row[i + 2] + w3 * row[i + 3]);
                }
            }
            for (; left > 0; left--, in++) {
                const int w0 = HB_NEXT_LEVEL(&codes);
                size_t i = in;
                for (int32_t *sum = acc + begin; sum < stop; sum++, i += step) {
                    *sum += w0 * row[i];
                }
            }
        }
    }
}
