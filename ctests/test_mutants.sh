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
cp -r "$root/firmware/include" "$root/firmware/src" "$work/"
cd "$work"

compile() {
    "$cc" -std=c99 -O1 -I include -I "$root/ctests" -c -o "$1" "$2"
}

for name in test_vectors vector_file check test_kernels test_linear \
    test_requant test_scores test_input naive; do
    compile "$name.o" "$root/ctests/$name.c"
done
for file in src/*.c; do
    compile "$(basename "$file" .c).o" "$file"
done
ar rc libhb.a hb_*.o

# Runs the tests with some objects in place of those in the library.
tests_pass() {
    "$cc" -o kernels test_kernels.o test_linear.o test_requant.o \
        test_scores.o test_input.o naive.o check.o "$@" libhb.a
    "$cc" -o vectors test_vectors.o vector_file.o check.o "$@" libhb.a
    timeout 20 ./kernels >log 2>&1 &&
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
mutant hb_round.h 's/v < lo ? lo : //' $requantizers
mutant hb_round.h 's/v > hi ? hi : //' $requantizers
mutant hb_maxshift.c 's/m > hi/m >= hi/'
mutant hb_maxshift.c 's/ && lo < 0//'
mutant hb_maxshift.c 's/-acc\[i\]/acc[i]/'
mutant hb_maxshift.c 's/acc\[i\] + half/acc[i]/'
mutant hb_maxshift.c 's/size_t i = 0/size_t i = 1/'
mutant hb_maxshift.c 's/i < n;/i + 1 < n;/'
mutant hb_maxshift.c 's/uint8_t s = 0/uint8_t s = 1/'
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

# Scores.
mutant hb_add_bias.c 's/ + b\[i\]/ - b[i]/'
mutant hb_add_bias.c 's/i < n;/i + 1 < n;/'
mutant hb_argmax.c 's/\] > y/] >= y/'
mutant hb_argmax.c 's/i < n;/i + 1 < n;/'

# Input rules.
for type in u8 i8 i16; do
    mutant "hb_input_shift_$type.c" 's/ + offset//'
    mutant "hb_input_shift_$type.c" 's/>> shift/>> (shift \& 7)/'
done
mutant hb_input_shift_u8.c 's/(int32_t)x/(int8_t)x/'
mutant hb_input_shift_i8.c 's/(int32_t)x/(uint8_t)x/'
mutant hb_input_shift_i16.c 's/(int32_t)x/(int8_t)x/'
mutant hb_resize_area.c 's/return a < b ? a : b/return a/'
mutant hb_resize_area.c 's/a->i++/a->i += 2/'
mutant hb_resize_area.c 's/a->left = a->parts/a->left = 1/'
mutant hb_resize_area.c 's/x + v.i \* in_w/x/'
mutant hb_resize_area.c 's/row + a->i/row/'
mutant hb_resize_area.c 's/left = v.left/left = v.parts/'
mutant hb_resize_area.c 's/left = a->left/left = a->parts/'
mutant hb_resize_area.c 's/>> shift/>> (shift - 1)/'

echo "$count mutants, $failures failures"
[ "$failures" -eq 0 ]
