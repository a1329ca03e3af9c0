#!/bin/sh
# Proves that the vectors of codecs can fail: breaks the kernels, one edit at a
# time, and requires that they notice every one.
# SPDX-License-Identifier: Apache-2.0
#
#     test_codec_mutants.sh ROOT CC
set -eu
root=$1 cc=$2
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cp -r "$root/firmware/include" "$root/firmware/src" "$root/firmware/codecs" \
    "$work/"
cd "$work"

compile() {
    "$cc" -std=c99 -O1 -fsanitize=address,undefined -I include \
        -I "$root/ctests" -c -o "$1" "$2"
}

tests='test_vectors.o vector_maps.o vector_file.o naive_map.o check.o'
for object in $tests; do
    compile "$object" "$root/ctests/${object%.o}.c"
done
for file in src/*.c codecs/*.c; do
    compile "$(basename "$file" .c).o" "$file"
done
ar rc libhb.a hb_*.o
run() {
    "$cc" -fsanitize=address,undefined -o vectors_test $tests "$@" libhb.a &&
        timeout 20 ./vectors_test "$root/ctests/codec_vectors.txt" 455 >log 2>&1
}

count=0
failures=0
complain() {
    echo "$1"
    failures=$((failures + 1))
}

# mutant FILE SED KERNEL: FILE of codecs/ after SED must not pass.
mutant() {
    file=codecs/$1
    cp "$file" original
    sed "$2" original >"$file"
    cmp -s original "$file" && complain "$file is not changed by $2"
    count=$((count + 1))
    if ! compile mutated.o "codecs/hb_linear_$3.c" 2>log; then
        complain "$file does not compile after $2"
        cat log
    elif run mutated.o; then
        complain "$3 passes after $2"
    fi
    cp original "$file"
}

if ! run; then
    echo "the kernels fail unchanged, so nothing is proved"
    cat log
    exit 1
fi

for codec in huffman bitmask widths; do
    "$cc" -std=c99 -O1 -fsanitize=address,undefined -DHB_NARROW -I include \
        -c -o narrow.o "codecs/hb_linear_$codec.c"
    run narrow.o || complain "$codec fails with windows of 16 bits"
done

products() {
    mutant hb_products_codecs.h "$1" huffman
}
products 's/first < 0 ?/first < 1 \&\& 0 ?/'
products 's/table\[2\] != 0/table[2] > 1/'
products 's/(p + step)/(p + step + 1)/'
products 's/\*apart != last/*apart > last/'
products 's/t\[2\] == 0 ? t\[0\] : 0/0/'
products 's/(int8_t)table\[1\]/table[1]/'

bits() {
    mutant hb_stream_codecs.h "$1" "$2"
}
for codec in huffman bitmask widths rice; do
    bits 's/(hb_have)(0 - (at)->bit)/0/' "$codec"
    bits 's/have + 8/have + 7/' "$codec"
done
bits 's/bits += at->bit;//' huffman
bits 's/bits \& 7/bits \& 3/' huffman
bits 's/bits >> 3/(bits + 1) >> 3/' huffman

huffman() {
    mutant hb_huffman_codecs.h "$1" huffman
}
huffman 's/\*entry & 7/*entry \& 3/'
huffman 's/WINDOW - bits/WINDOW - 1 - bits/'
huffman 's/LONGEST = 7/LONGEST = 6/'

mutant hb_linear_huffman.c 's/w\[2\] << 8/w[2] << 7/' huffman
mutant hb_linear_huffman.c 's/\*x == 0/*x == 127/' huffman
mutant hb_linear_huffman.c 's/+ more/+ 0/' huffman
mutant hb_linear_huffman.c 's/HB_ADD(1)/HB_ADD(2)/' huffman

bitmask() {
    mutant hb_linear_bitmask.c "$1" bitmask
}
bitmask 's/(n_out + 7) >> 3/n_out >> 3/'
bitmask 's/y += 8/y += 7/'
bitmask 's/0x55/0x54/'
bitmask 's/0x33/0x32/'
bitmask 's/& 15;/\& 7;/'
bitmask 's/levels\[0\] > 0/1/'
bitmask 's/WINDOW - width/WINDOW - 1 - width/'
bitmask 's/mask += row/mask += row + 1/'
bitmask 's/(hb_signed_bits)window >>/window >>/'

digits() {
    mutant hb_digits_codecs.h "$1" widths
}
digits 's/level >> 4/level >> 3/'
digits 's/& (DIGIT - 1)/\& (DIGIT \/ 2 - 1)/'
digits 's/256 - DIGIT/257 - DIGIT/'

runs() {
    mutant hb_linear_runs.c "$1" runs
}
runs 's/entry >> gap/entry >> 4/'
runs 's/(size_t)1/(size_t)2/'
runs 's/o - n_out/o - n_out + 1/'
runs 's/\*x == 0/*x == 127/'
runs 's/(1 << gap) - 1/(1 << gap) - 2/'

widths() {
    mutant hb_linear_widths.c "$1" widths
}
widths 's/WIDTH = 15/WIDTH = 7/'
widths 's/SMALL = 5/SMALL = 6/'
widths 's/w\[o\] >> 4/w[o] >> 5/'
widths 's/width == 0/width == 1/'
widths 's/DIGIT + code/DIGIT + code + 1/'
widths 's/\*x != 0/*x > 0/'

rice() {
    mutant hb_linear_rice.c "$1" rice
}
rice 's/(size_t)1 << k/(size_t)1 << (k - 1)/'
rice 's/31 - k/30 - k/'
rice 's/bits += at->bit;//'
rice 's/w\[2\] << 8/w[2] << 7/'
rice 's/\*x != 0/*x > 0/'
rice 's/w\[3\] & 7/w[3] \& 15/'
rice 's/(w\[3\] & 8) != 0/w[3] > 99/'
rice 's/y\[o\] += y\[o\]/y[o] += 1/'

radix() {
    mutant hb_linear_radix.c "$1" radix
}
radix 's/w\[1\] << 8/w[1] << 7/'
radix 's/v >> 16/v >> 15/'
radix 's/y < end; k--/y <= end; k--/'
radix 's/column += 2/column += 1/'
radix 's/\*x != 0/*x > 0/'

echo "$count mutants, $failures failures"
[ "$failures" -eq 0 ]
