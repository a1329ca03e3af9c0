#!/bin/sh
# Proves that the tests can fail: breaks the kernels, one edit at a time, and
# requires that test_kernels and the vectors together notice every one.
# SPDX-License-Identifier: Apache-2.0
#
#     test_mutants.sh ROOT CC
set -eu
root=$1 cc=$2
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cp -r "$root/firmware/include" "$root/firmware/src" "$root/firmware/codecs" \
    "$work/"
cd "$work"

compile() {
    "$cc" -std=c99 -O1 -I include -I "$root/ctests" -c -o "$1" "$2"
}

kernel_tests='test_kernels.o test_linear.o test_requant.o test_scores.o
    test_input.o test_conv.o test_pool.o test_join.o test_norm.o naive.o naive_map.o
    check.o'
vector_tests='test_vectors.o vector_maps.o vector_file.o naive_map.o check.o'
for object in $kernel_tests $vector_tests; do
    compile "$object" "$root/ctests/${object%.o}.c"
done
for file in src/*.c codecs/*.c; do
    compile "$(basename "$file" .c).o" "$file"
done
ar rc libhb.a hb_*.o

# Runs the tests with some objects in place of those in the library.
tests_pass() {
    "$cc" -o kernels $kernel_tests "$@" libhb.a
    timeout 20 ./kernels >log 2>&1 &&
        "$cc" -o vectors $vector_tests "$@" libhb.a &&
        timeout 20 ./vectors "$root/SPEC.md" 1 >>log 2>&1 &&
        timeout 20 ./vectors "$root/ctests/vectors.txt" 1 >>log 2>&1
}

if ! tests_pass; then
    echo "the kernels fail unchanged, so nothing is proved"
    cat log
    exit 1
fi

count=0
failures=0
complain() {
    echo "$1"
    failures=$((failures + 1))
}

# mutant FILE SED [KERNEL...]: FILE after SED must not pass. For a header, the
# kernels that include it are named.
mutant() {
    file=$1 edit=$2
    shift 2
    [ $# -gt 0 ] || set -- "${file%.c}"
    count=$((count + 1))
    cp "src/$file" original
    sed "$edit" original >"src/$file"
    objects=
    for kernel in "$@"; do
        compile "mutated_$kernel.o" "src/$kernel.c" 2>log || {
            complain "$file does not compile after $edit"
            cat log
        }
        objects="$objects mutated_$kernel.o"
    done
    if cmp -s original "src/$file"; then
        complain "$file is not changed by $edit"
    elif tests_pass $objects; then
        complain "$file passes after $edit"
    fi
    cp original "src/$file"
}

# Decoders.
for format in binary ternary sym2 sym4 int4 nf4 sym5 shift4; do
    kernel=hb_linear_$format
    mutant hb_level.h "/hb_level_$format(/,/^}/{
        s/code - \([0-9]*\))/code - \1 + 1)/
        s/-127, -88/-127, -87/
        s/code & 8/code \& 4/
        }" "$kernel"
done
mutant hb_level.h 's/3 \* \*byte/2 * *byte/' hb_linear_ternary
mutant hb_level.h 's/code & 7/code \& 3/' hb_linear_shift4
mutant hb_level.h 's/127,$/126,/' hb_linear_nf4

# Layouts.
mutant hb_linear_binary.c 's/byte >> k/byte >> (7 - k)/'
mutant hb_linear_sym2.c 's/byte >> 2 \* k/byte >> k/'
for format in sym4 int4 shift4 nf4; do
    mutant "hb_linear_$format.c" 's/byte >> 4/byte >> 3 \& 15/'
    mutant "hb_linear_$format.c" 's/byte & 15/byte >> 4/'
    mutant "hb_linear_$format.c" 's/\*w++ & 15/*w++ >> 4/'
done
mutant hb_linear_sym5.c 's/n_bits < 5/n_bits < 4/'
mutant hb_linear_sym5.c 's/<< n_bits/<< (n_bits \& 3)/'

# Sizes.
mutant hb_linear_ternary.c 's/i < n_in;/i + 1 < n_in;/'
mutant hb_linear_ternary.c 's/ : 5;/ : 4;/'
for format in binary sym2 sym4 int4 shift4 nf4; do
    mutant "hb_linear_$format.c" 's/if (i < n_in)/if (i + 1 < n_in)/'
    mutant "hb_linear_$format.c" 's/n_in - i >= /n_in - i + 1 >= /'
done
for format in binary ternary sym2 sym4 int4 shift4 nf4 sym5 int8; do
    mutant "hb_linear_$format.c" 's/o < n_out/o + 1 < n_out/'
    mutant "hb_linear_$format.c" 's/o < n_out/o < n_out + 1/'
    mutant "hb_linear_$format.c" 's/int32_t sum = 0/int32_t sum = y[o]/'
done
mutant hb_linear_int8.c 's/i < n_in/i + 1 < n_in/'

# Requantizers.
requantizers='hb_maxshift hb_shift hb_mulshift'
mutant hb_round.h 's/<< s) >> 1/<< s) >> 2/' $requantizers
mutant hb_round.h 's/(uint32_t)1 << s) >> 1/(int32_t)1 << (s \& 15)) >> 1/' \
    $requantizers
mutant hb_round.h 's/v < lo/hi < lo/' $requantizers
mutant hb_round.h 's/v > hi/lo > hi/' $requantizers
for kernel in hb_maxshift hb_maxshift_exponent; do
    mutant hb_round.h 's/s > hi/s >= hi/' $kernel
    mutant hb_round.h 's/ && lo < 0//' $kernel
    mutant hb_round.h 's/-\*acc/*acc/' $kernel
    mutant hb_round.h 's/acc + n; acc/acc++ + n; acc/' $kernel
    mutant hb_round.h 's/acc + n;/acc + n - (n > 0);/' $kernel
    mutant hb_round.h 's/uint8_t s = 0/uint8_t s = 1/' $kernel
done
mutant hb_maxshift.c 's/\*acc + half/*acc/'
mutant hb_maxshift.c 's/acc + n; acc/acc++ + n; acc/'
mutant hb_maxshift.c 's/acc + n;/acc + n - (n > 0);/'
mutant hb_shift.c 's/ + half//'
mutant hb_shift.c 's/= \*s;/= 1;/'
mutant hb_shift.c 's/ + b\[i\]//'
mutant hb_shift.c 's/b\[i\]/b[0]/'
mutant hb_shift.c 's/i < n;/i <= n;/'
mutant hb_shift.c 's/size_t i = 0; i < n; i++/size_t i = n; i-- > 0;/'
mutant hb_mulshift.c 's/ + b\[i\]//'
mutant hb_mulshift.c 's/s\[i\]/s[0]/'
mutant hb_mulshift.c 's/m\[i\]/m[0]/'
mutant hb_mulshift.c 's/acc\[i\] \* m/(int16_t)acc[i] * m/'
mutant hb_mulshift.c 's/size_t i = 0; i < n; i++/size_t i = n; i-- > 0;/'

mutant hb_shift_channel.c 's/ + b/ - b/'
mutant hb_shift_channel.c 's/i \* step/i/'
mutant hb_shift_channel.c 's/>> s/>> (s \& 15)/'
mutant hb_shift_channel.c 's/i < n;/i + 1 < n;/'
mutant hb_shift_channel.c 's/ + half//'
mutant hb_mulshift_channel.c 's/ + add/ - add/'
mutant hb_mulshift_channel.c 's/y += step/y++/'
mutant hb_mulshift_channel.c 's/>> shift/>> (shift \& 15)/'
mutant hb_mulshift_channel.c 's/n > 0;/n > 1;/'
mutant hb_mulshift_channel.c 's/\*acc++ \* mul/(int16_t)*acc++ * mul/'

# Convolutions: the decoders, then the loops, in one format.
mutant hb_level.h 's/c->left = codes_in_byte/c->left = 1/' hb_conv_sym2
mutant hb_level.h 's/>> bits)/>> (bits \& 3))/' hb_conv_int4
mutant hb_level.h 's/1u << bits) - 1/1u << bits) - 2/' hb_conv_binary
mutant hb_level.h 's/c->left < 5/c->left < 4/' hb_conv_sym5
mutant hb_level.h 's/<< c->left/<< (c->left \& 3)/' hb_conv_sym5
mutant hb_level.h 's/c->left = 5/c->left = 6/' hb_conv_ternary
mutant hb_level.h 's/c->bits = byte/c->bits = code/' hb_conv_ternary
for format in binary ternary sym2 sym4 int4 nf4 sym5 shift4; do
    mutant "hb_conv_$format.c" 's/hb_level_[a-z0-9]*(/(int8_t)(/'
done
mutant hb_conv_int8.c 's/(int8_t)\*/*/'
body() {
    mutant hb_conv_body.h "$1" hb_conv_sym4
}
body 's/acc\[x\] = 0/(void)0/'
body 's/row == NULL ? 0 : n_out/n_out/'
body 's/kx - window->pad/kx/'
body 's/end > 0 \&\& q >= n_in/end > 0 \&\& q > n_in/'
body 's/q -= stride/q--/'
body 's/ \&\& p < 0/ \&\& p <= 0/'
body 's/p += stride/p++/'
body 's/pixel \* window->stride/pixel/'
body 's/pixel + first/pixel/'
body 's/(n_out - 1) \* stride/n_out * stride/'
body 's/left >= 4/left > 4/; s/w3 \* row/w2 * row/'
for k in 0 1 2 3; do
    body "s/const int w$k = HB_NEXT_LEVEL(&codes)/const int w$k = 1/"
done
body 's/row\[i + 3\]/row[i + 2]/'
body 's/left - 4/left - 5/'
body 's/left > 0;/left > 1;/'
body 's/left--, in++/left--/'
body 's/, in += 4/, in += 3/'
body 's/ky < window->kernel_h/ky + 1 < window->kernel_h/'
body 's/kx < window->kernel_w/kx + 1 < window->kernel_w/'

mutant hb_patch.c 's/row == NULL/row == rows[0]/'
mutant hb_patch.c 's/first < 0 ? -first : 0/0/'
mutant hb_patch.c 's/left < kernel_w ? left : kernel_w/kernel_w/'
mutant hb_patch.c 's/begin = begin > end/begin = begin < end/'
mutant hb_patch.c 's/first + begin/first/'
mutant hb_patch.c 's/kernel_w - end/kernel_w - begin/'
mutant hb_patch.c 's/i += 4/i += 8/'
mutant hb_patch.c 's/| n) & 3/) \& 3/'

mutant hb_zip.c 's/height > 1 ? (uint32_t)map\[row\] : 0/0/'
mutant hb_zip.c 's/height > 1 ? (uint32_t)map\[row\] : 0/(uint32_t)map[row]/'
mutant hb_zip.c 's/below << 16/below << 8/'
mutant hb_unzip.c 's/both >> 16/both/'
mutant hb_unzip.c 's/map += pixel/map++/'
mutant hb_unzip.c 's/, map += row)/)/'
mutant hb_unzip.c 's/if (height > 1)/if (1)/'
mutant hb_zip.c 's/map += pixel/map++/'
mutant hb_zip.c 's/, map += row)/)/'
mutant hb_levels_body.h 's/n > 0/n > 1/' hb_levels_sym4
mutant hb_levels_int8.c 's/level\[1\] = code\[1\]/level[1] = code[0]/'
mutant hb_levels_int8.c 's/code += 4/code += 3/'
mutant hb_levels_int8.c 's/= \*code++/= *code/'
for format in binary ternary sym2 sym4 int4 nf4 sym5 shift4; do
    mutant "hb_levels_$format.c" 's/hb_level_[a-z0-9]*(/(int8_t)(/'
done

# Pooling and rings of rows.
mutant hb_ring.h 's/m <= y >> 1/m <= y >> 2/' hb_row hb_rows
mutant hb_ring.h 's/y >= m ?/y > m ?/' hb_row hb_rows
mutant hb_ring.h 's/m >= ring/m > ring/' hb_row hb_rows
mutant hb_row.c 's/map + /map + 1 + /'
mutant hb_rows.c 's/y < 0 ||//'
mutant hb_rows.c 's/|| y >= height/|| y > height/'
mutant hb_maxpool.c 's/INT8_MIN/0/'
mutant hb_maxpool.c 's/in\[c\] > y\[c\]/in[c] < y[c]/'
mutant hb_maxpool.c 's/rows\[ky\] == NULL/rows[ky] == rows[0]/'
for kernel in hb_maxpool hb_avgpool hb_avgpool_divide; do
    mutant $kernel.c 's/+= window->stride/+= 1/'
    mutant $kernel.c 's/-(int)window->pad/0/'
done
mutant hb_maxpool.c 's/p + kx >= n_in/p + kx > n_in/'
mutant hb_maxpool.c 's/p + kx < 0 ||//'
mutant hb_maxpool.c 's/kernel_h/kernel_w/'
mutant hb_maxpool.c 's/kernel_w/kernel_h/'
for kernel in hb_avgpool hb_avgpool_divide; do
    mutant hb_sum_window.h 's/kernel_h/kernel_w/' $kernel
    mutant hb_sum_window.h 's/kernel_w/kernel_h/' $kernel
    mutant hb_sum_window.h 's/p + kx < n_in/p + kx <= n_in/' $kernel
    mutant hb_sum_window.h 's/p + kx >= 0/p + kx > 0/' $kernel
    mutant hb_sum_window.h 's/ + c\]/]/' $kernel
done
means='hb_average hb_avgpool'
mutant hb_round.h 's/sum + offset/sum + (int8_t)offset/' $means
mutant hb_round.h 's/ - base)/)/' $means
mutant hb_round.h 's/\* mul/* (uint8_t)mul/' $means
mutant hb_average.c 's/i < n;/i + 1 < n;/'
means='hb_average_divide hb_avgpool_divide'
mutant hb_divide.h 's/sum + offset/sum + (int8_t)offset/' $means
mutant hb_divide.h 's/ - base)/)/' $means
mutant hb_divide.h 's/v >= part/v > part/' $means
mutant hb_divide.h 's/bit = 128/bit = 64/' $means
mutant hb_divide.h 's/area << 7/area << 6/' $means
mutant hb_divide.h 's/uint32_t part = area/uint32_t part = (uint16_t)area/' \
    hb_average_divide
mutant hb_divide.h 's/v -= part/v = 0/' $means
mutant hb_average_divide.c 's/i < n;/i + 1 < n;/'
mutant hb_sum_row.c 's/acc\[c\] += /acc[c] = /'
mutant hb_sum_row.c 's/p < n_pixels/p + 1 < n_pixels/'

# Joining and activations.
mutant hb_add.c 's/b\[i\] \* m_b/b[i] * m_a/'
mutant hb_add.c 's/a\[i\] \* m_a/(int16_t)(a[i] * m_a)/'
mutant hb_add.c 's/ + half//'
mutant hb_concat.c 's/y += step/y += channels/'
mutant hb_concat.c 's/(int32_t)\*x++ \* m/(int16_t)(*x++ * m)/'
mutant hb_concat.c 's/ + half//'
mutant hb_lookup.c 's/ - lo/ + 127/'
mutant hb_clip.c 's/x\[i\], lo/x[i], 0/'
mutant hb_root.h 's/v >= next/v > next/' hb_rmsnorm hb_layernorm
mutant hb_root.h 's/bit >>= 2/bit >>= 3/' hb_rmsnorm hb_layernorm
mutant hb_root.h 's/rest >= b/rest > b/' hb_rmsnorm hb_layernorm
mutant hb_root.h 's/i < 31/i < 30/' hb_rmsnorm hb_layernorm
mutant hb_root.h 's/root > 0 ? root : 1/root + 1/' hb_rmsnorm hb_layernorm
mutant hb_rmsnorm.c 's/ + half//'
mutant hb_rmsnorm.c 's/(uint16_t)(/(uint8_t)(/'
mutant hb_layernorm.c 's/ - size \* size//'
mutant hb_layernorm.c 's/ - sum)/)/'
mutant hb_layernorm.c 's/sum < 0 ? -sum/sum < 0 ? 1 - sum/'
for type in u8 i8 i16; do
    mutant "hb_input_planes_$type.c" 's/ + offset//'
    mutant "hb_input_planes_$type.c" 's/>> shift/>> (shift \& 7)/'
    mutant "hb_input_planes_$type.c" 's/p \* channels + c/c * n_pixels + p/'
done

# Scores.
mutant hb_add_bias.c 's/ + b\[i\]/ - b[i]/'
mutant hb_add_bias.c 's/i < n;/i + 1 < n;/'
mutant hb_argmax.c 's/\*v > \*best/*v >= *best/'
mutant hb_argmax.c 's/y + n,/y + n - (n > 0),/'

# Input rules.
for type in u8 i8 i16; do
    mutant "hb_input_shift_$type.c" 's/x + n;/x + n - (n > 0);/'
    mutant "hb_input_shift_$type.c" 's/ + offset//'
    mutant "hb_input_shift_$type.c" 's/>> shift/>> (shift \& 7)/'
done
mutant hb_input_shift_u8.c 's/(int32_t)\*x/(int8_t)*x/'
mutant hb_input_shift_i8.c 's/(int32_t)\*x/(uint8_t)*x/'
mutant hb_input_shift_i16.c 's/(int32_t)\*x/(int8_t)*x/'
resize() {
    mutant hb_resize_area.c "$1"
}
resize 's/axis.parts++/axis.parts += 2/'
resize 's/axis.covers++/axis.covers += 2/'
resize 's/(p\[0\] | p\[1\])/p[0]/'
resize 's/(p\[0\] | p\[1\])/p[1]/'
resize 's/zeros(x, column)/zeros(x, in_w \& ~(size_t)1)/'
resize 's/24 - shift/23 - shift/'
resize 's/left -= need/left--/'
resize 's/left = v.parts;/left = 1;/'
resize 's/ x += in_w/ (void)x/'
resize 's/behind >= h.covers/behind > h.covers/'
resize 's/= h.covers - (size_t)behind/= h.covers/'
resize 's/at = top + column/at = top/'
resize 's/n = first/n = v.parts/'
resize 's/n = v.parts/n = first/'
resize 's/p += in_w/p++/'
resize 's/(uint32_t)rest/(uint32_t)n/'
resize 's/more >= need/more > need/'
resize 's/(uint32_t)need/(uint32_t)h.parts/'
resize 's/^ *sum = 0;//'
resize 's/need -= more/need--/'
resize 's/(uint32_t)more/(uint32_t)h.parts/'

echo "$count mutants, $failures failures"
[ "$failures" -eq 0 ]
