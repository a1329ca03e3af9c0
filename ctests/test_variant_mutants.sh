#!/bin/sh
# Proves that test_variants can fail: breaks the kernel variants, one edit at a
# time, and requires that it notices every one.
# SPDX-License-Identifier: Apache-2.0
#
#     test_variant_mutants.sh ROOT CC
set -eu
root=$1 cc=$2
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cp -r "$root/firmware/include" "$root/firmware/src" "$root/firmware/variants" \
    "$work/"
cd "$work"

compile() {
    "$cc" -std=c99 -O1 -I include -I src -I "$root/ctests" -c -o "$1" "$2"
}

tests='test_variants.o test_planes.o test_same.o columns.o naive.o check.o'
for object in $tests; do
    compile "$object" "$root/ctests/${object%.o}.c"
done
for file in src/*.c variants/*/*.c; do
    compile "$(basename "$file" .c).o" "$file"
done
ar rc libhb.a hb_*.o

count=0
failures=0
complain() {
    echo "$1"
    failures=$((failures + 1))
}

# mutant FILE SED KERNEL...: FILE of variants/ after SED must not pass, for any
# of the kernels that are made of it.
mutant() {
    file=variants/$1 edit=$2
    shift 2
    cp "$file" original
    sed "$edit" original >"$file"
    if cmp -s original "$file"; then
        complain "$file is not changed by $edit"
    fi
    for kernel in "$@"; do
        count=$((count + 1))
        if ! compile mutated.o "$(dirname "$file")/$kernel.c" 2>log; then
            complain "$file does not compile after $edit"
            cat log
        elif "$cc" -o variants_test $tests mutated.o libhb.a &&
            timeout 20 ./variants_test "$kernel" >log 2>&1; then
            complain "$kernel passes after $edit"
        fi
    done
    cp original "$file"
}

"$cc" -o variants_test $tests libhb.a
if ! ./variants_test >log 2>&1; then
    echo "the kernels fail unchanged, so nothing is proved"
    cat log
    exit 1
fi

# mul: linear layers in columns.
columns='hb_linear_binary_mul hb_linear_sym2_mul hb_linear_sym4_mul
    hb_linear_int4_mul'
mul_columns() {
    mutant mul/hb_columns_mul.h "$1" $columns
}
mul_columns 's/? 34 : 48/? 36 : 520/; s/\[HB_CODE .*\]/[1]/'
mul_columns 's/bias = list->negative/bias = 0/'
mul_columns 's/HB_CODE \* list->negative/HB_CODE/'
mul_columns 's/STEP \* (int32_t)(sums >/(STEP + 1) * (int32_t)(sums >/'
mul_columns 's/STEP \* s,/(STEP + 1) * s,/'
mul_columns 's/-OFFSET \*/-(OFFSET - 1) */'
mul_columns 's/y + HB_HALF/y + 1/'
mul_columns 's/s0 - s1 \*/s0 - s2 */'
mul_columns 's/column += n_in)/column += n_in + 1)/'
mul_columns 's/block += n_in)/block += n_in + 1)/'
mul_columns 's/bit = e->at/bit = 2 * e->at/'
mutant mul/hb_columns_mul.h 's/\* BITS + 7) \/ 8/* BITS) \/ 8/' \
    hb_linear_binary_mul hb_linear_sym2_mul
mul_columns 's/next < n_in/next + 1 < n_in/'
for k in 1 2 3; do
    mutant mul/hb_products_mul.h "s/\(s->s$k += .*\) \* x/\1/" $columns
done
mutant mul/hb_products_mul.h 's/(BITS == 4 ? c : c & HB_MASK)/(c \& HB_MASK)/' \
    hb_linear_sym4_mul hb_linear_int4_mul
for edit in 's/(s.s1 - bias)/s.s1/' 's/sums & 0xffff/sums \& 0x7fff/' \
    's/sums >> 16/(sums >> 16 \& 0x7fff)/'; do
    mutant mul/hb_columns_mul.h "$edit" hb_linear_sym4_mul hb_linear_int4_mul
done

# mul: looked up levels.
levels='hb_linear_shift4_mul hb_linear_nf4_mul'
for kernel in $levels; do
    mutant mul/$kernel.c 's/, -67,/, -66,/; s/, -2,/, 2,/' $kernel
done
mul_levels() {
    mutant mul/hb_levels_mul.h "$1" $levels
}
mul_levels 's/y + o + k, column + k \/ 2/y + o + k, column + k/'
mul_levels 's/column += 4 \* n_in/column += 4 * n_in + 4/'
mul_levels 's/column += n_in)/column += n_in + 1)/'
mul_levels 's/hb_levels\[c >> 4\]/hb_levels[c >> 3 \& 15]/'
mul_levels 's/w\[e->at \/ 8\]/w[e->at \/ 4]/'
mul_levels 's/e->at & 4/e->at \& 8/'
mul_levels 's/n_out - o >= 2/n_out - o >= 3/'
for k in 0 1 2 3; do
    mutant mul/hb_lookups_mul.h "s/s->s$k += level/s->s$k -= level/" $levels
done

# mul: trits.
mul_trits() {
    mutant mul/hb_linear_ternary_mul.c "$1" hb_linear_ternary_mul
}
mul_trits 's/HB_ENTRIES = 48/HB_ENTRIES = 262/; s/\[2 \* INT32_C.*\]/[1]/'
mul_trits 's/list->negative \* UINT32_C(0x00020002)/0/'
mul_trits 's/rest -= 2/rest -= 1/'
mul_trits 's/y + 5,/y + 4,/'
mul_trits 's/- 3 \* next/- 2 * next/'
mul_trits 's/s1 - 3 \* s2/s1 - 3 * s3/'
mul_trits 's/column += 2 \* n_in/column += n_in/'
mul_trits 's/column += n_in)/column += n_in + 1)/'
mul_trits 's/left = 5/left = 4/'
mul_trits 's/-list.sum/list.sum/'
mutant mul/hb_trits_mul.h 's/171 >> 9/170 >> 9/' hb_linear_ternary_mul
mutant mul/hb_trits_mul.h 's/HB_THIRD(q) & HB_MASK/HB_THIRD(q)/' \
    hb_linear_ternary_mul
for k in 0 1 2 3 4; do
    mutant mul/hb_trits_mul.h "s/s->s$k += q/s->s$k -= q/" hb_linear_ternary_mul
done

# mul: 4 bits and 1, and bytes.
mul_sym5() {
    mutant mul/hb_linear_sym5_mul.c "$1" hb_linear_sym5_mul
}
mul_sym5 's/HB_ENTRIES = 34/HB_ENTRIES = 36/; s/\[15 \* INT32_C.*\]/[1]/'
mul_sym5 's/bias = 15 \* ones/bias = 14 * ones/'
mul_sym5 's/u3 = ones/u3 = 0/'
mul_sym5 's/byte << 12/byte << 11/'
mul_sym5 's/rest -= 62/rest -= 60/'
mul_sym5 's/(s.s2 - bias)/s.s2/'
mul_sym5 's/32 \* (up >> 16)/16 * (up >> 16)/'
mul_sym5 's/32 \* (up & 0xffff)/32 * (up \& 0x7ff)/'
mul_sym5 's/bit % 8 > 3/bit % 8 > 4/'
mul_sym5 's/(5 \* n_in + 7) \/ 8/5 * n_in \/ 8/'
mul_sym5 's/block += n_in, column += n_in/block += n_in, column += n_in + 1/'
mul_sym5 's/-31 \* list.sum/-30 * list.sum/'
for k in 0 1 2 3; do
    mul_sym5 "s/ u$k += / u$k -= /"
done
mul_int8() {
    mutant mul/hb_linear_int8_mul.c "$1" hb_linear_int8_mul
}
mul_int8 's/return (int8_t)byte/return byte/'
mul_int8 's/column\[3\]/column[2]/'
mul_int8 's/w\[e->at \/ 4\]/w[e->at \/ 2]/'
mul_int8 's/column += 4 \* n_in/column += 4 * n_in + 1/'
mul_int8 's/column += n_in)/column += n_in + 1)/'
for k in 0 1 2 3; do
    mul_int8 "s/ s$k += / s$k -= /"
done

# mul: maxshift.
mul_maxshift() {
    mutant mul/hb_maxshift_mul.c "$1" hb_maxshift_mul
}
mul_maxshift 's/if (lo < 0)/if (0)/'
mul_maxshift 's/m = -m/m = 0/'
mul_maxshift 's/m > most/m >= most/'
mul_maxshift 's/a = acc; a != end/a = acc + (acc != end); a != end/'
mul_maxshift 's/ + half//'
mul_maxshift 's/v > least/v > 0/'
mul_maxshift 's/v < most/v <= most + 1/'
mul_maxshift 's/const end = acc + n; acc != end/const end = acc + n; acc + 1 < end/'

# mul: what they share.
all="$columns $levels hb_linear_ternary_mul hb_linear_sym5_mul hb_linear_int8_mul"
mul_list() {
    mutant mul/hb_list_mul.h "$1" $all
}
mul_list 's/(uint32_t)(p - x) \* bytes/(uint32_t)(p - x + 1) * bytes/'
mul_list 's/(size_t)(p - x);/(size_t)(p - x) + 1;/'
mul_list 's/p + 3, x/p + 2, x/'
mul_list 's/list.end >= 4; p += 4/list.end >= 4; p += 5/'
mul_list 's/if (!r.first)/if (0)/'
mul_list 's/if (!r.first)/if (1)/'
for edit in 's/list.negative -= /list.negative += /' 's/sum + r.rest/sum/' \
    's/if (list.signs < 0)/if (0)/'; do
    mutant mul/hb_list_mul.h "$edit" $columns hb_linear_ternary_mul \
        hb_linear_sym5_mul
done

# nomul: lists of digits.
planes='hb_linear_sym4_nomul hb_linear_int4_nomul'
lists="$planes hb_linear_binary_nomul hb_linear_ternary_nomul
    hb_linear_sym5_nomul hb_linear_int8_nomul"
for edit in 's/PLANES = 8/PLANES = 7/; s/plane\[PLANES\]/plane[8]/' \
    's/(v & 2) == 0/1/' 's/                v++;//' 's/v ^ 3 \* v/v/' \
    's/UINT16_MAX/66/; s/\* STRIDE/* STRIDE * 2/'; do
    mutant nomul/hb_lists_nomul.h "$edit" $lists
done
mutant nomul/hb_lists_nomul.h 's/& digits;/\& 0;/' hb_linear_int4_nomul
mutant nomul/hb_lists_nomul.h 's/ || !HB_ROOM(sizes)//' hb_linear_ternary_nomul
# nomul: lanes of 8 and 16 bits.
for edit in 's/codes >> 4 & 0x0F0F0F0F/codes >> 4/' \
    's/~\*hb_at/*hb_at/' 's/(s.odd << 4)/s.odd/' \
    's/2 \* sums\[0\]/sums[0]/' 's/2 \* sums\[1\]/sums[1]/' \
    's/2 \* sums\[2\]/sums[2]/' 's/2 \* sums\[3\]/sums[3]/' \
    's/(sums\[2\] << 8)/0/' 's/(sums\[3\] << 8)/0/' \
    's/sums & 0xFFFF/sums \& 0x7FFF/' 's/sums >> 16/sums >> 16 \& 0x7FFF/'; do
    mutant nomul/hb_nibbles_nomul.h "$edit" $planes hb_linear_sym5_nomul
done
for edit in 's/LIST 17/LIST 18/' 's/block += n_in)/block += n_in + 1)/' \
    's/block = w + i/block = w/' 's/in_blocks \/ 2 \* n_in/0/' \
    's/rest += o & 1/rest += 1/' 's/i >> last/i/' 's/(i & last) | odd/odd/' \
    's/, o & 1, /, 0, /'; do
    mutant nomul/hb_planes_nomul.h "$edit" $planes
done
for edit in 's/LIST 17/LIST 18/' 's/OFFSET 31/OFFSET 30/' 's/ ^ 0xFFu//' \
    's/byte << 6/byte << 5/' 's/byte << 12/byte << 11/' 's/s.even \*= 2/s.even += 0/' \
    's/s.odd \*= 2/s.odd += 0/' 's/16 \* (high/8 * (high/' \
    's/32 \* sum/16 * sum/' 's/low & 0xFF/low \& 0x7F/' \
    's/high & 0xFF/high \& 0x7F/' 's/left < 5/left < 4/' 's/left += 8/left += 7/' \
    's/block = w + i/block = w/' 's/column = upper + i/column = upper/' \
    's/(5 \* n_in + 7) \/ 8/5 * n_in \/ 8/'; do
    mutant nomul/hb_linear_sym5_nomul.c "$edit" hb_linear_sym5_nomul
done
for edit in 's/LIST 17/LIST 18/' 's/OFFSET 128/OFFSET 127/' 's/0x7F7F7F7F/0x80808080/' \
    's/codes >> 8 & 0x00FF00FF/codes >> 8/' 's/s.all \*= 2/s.all += 0/' \
    's/s.odd \*= 2/s.odd += 0/' 's/(s.odd << 8), 4/s.odd, 4/' \
    's/(s.odd << 8), 0/s.odd, 0/' 's/s.odd, 4/s.odd, 3/' \
    's/sums & 0xFFFF/sums \& 0x7FFF/' 's/sums >> 16/sums >> 16 \& 0x7FFF/' \
    's/(int32_t)(int8_t)row/row/' 's/block = w + i/block = w/' \
    's/in_blocks \* n_in/0/'; do
    mutant nomul/hb_linear_int8_nomul.c "$edit" hb_linear_int8_nomul
done
# nomul: lanes of 4 and 8 bits.
for edit in 's/LIST 15/LIST 17/' 's/~\*hb_at/*hb_at/' 's/8 \* s.s3/s.s3/' \
    's/>> 3 & 0x11111111/>> 3/' 's/2 \* sums\[7\]/sums[7]/' \
    's/s0 & 0x0F0F0F0F/s0 \& 0x07070707/' 's/s0 >> 4 & 0x0F0F0F0F/s0 >> 4/' \
    's/16 \* (high/8 * (high/' 's/low & 0xFF/low \& 0x7F/' \
    's/high & 0xFF/high \& 0x7F/' 's/block = w + i/block = w/' \
    's/OFFSET \* total/0/' 's/? v : -v/? v : 0/' 's/(n_in + 7)/n_in/'; do
    mutant nomul/hb_linear_binary_nomul.c "$edit" hb_linear_binary_nomul
done
# nomul: lanes of 6, 12 and 16 bits.
for edit in 's/LIST 24/LIST 32/' 's/(digits) <= 1876/1/' 's/0x2000000)/0x3000000)/' \
    's/HB_TWOS - hb_trits\[bytes\[0/hb_trits[bytes[0/' \
    's/2 \* a02 + (a & 0x0003F03F)/a02 + (a \& 0x0003F03F)/' \
    's/b13 + (b >> 6/b13 + (b >> 5/' 's/b >> 24 << 16/b >> 24/' \
    's/a02 >> 12/a02 >> 12 \& 0x7FF/' 's/b13 & 0xFFF/b13 \& 0x7FF/' \
    's/ab4 >> 16/ab4 >> 16 \& 0x7FF/' 's/rest + first/rest/' \
    's/2 \* n_in/2 * n_in + 1/' 's/\*o += 2 \* v/*o += v/' 's/left = 5/left = 4/' \
    's/byte >> 8 == 0/byte >> 8 == 1/'; do
    mutant nomul/hb_linear_ternary_nomul.c "$edit" hb_linear_ternary_nomul
done
# nomul: sums of planes.
for edit in 's/INPUTS = 85/INPUTS = 86/' 's/PLANES = 8/PLANES = 7/' \
    's/lanes\[3\] -= v.v3/lanes[3] += v.v3/' \
    's/p->minus += 0x03030303/(void)0/' 's/(x & 2) == 0/1/' \
    's/(s.odd << 8)/s.odd/' 's/offset = 2 \* offset + (/offset = offset + (/' \
    's/s.odd & 0xFFFF/s.odd \& 0x3FFF/' 's/even >> 16/even >> 16 \& 0x3FFF/' \
    's/first, p->lanes\[k\] + p->minus/first, p->lanes[k]/' \
    's/lanes\[k + 1\]/lanes[k]/' 's/3 \* (uint32_t)total/2 * total/' \
    's/sum & 65535/sum \& 32767/' 's/sum >= 0/0/' \
    's/codes >> 6\]/codes >> 4 \& 3]/' 's/3 \* v}/2 * v}/' \
    's/? 2 \* v : 0/? v : 0/' 's/w + (next - x)/w/' 's/(n_in + 3)/n_in/'; do
    mutant nomul/hb_linear_sym2_nomul.c "$edit" hb_linear_sym2_nomul
done
# nomul: tables of products.
products='hb_linear_shift4_nomul hb_linear_nf4_nomul'
for edit in 's/k < 8/k < 7/' 's/codes & 15\]/codes \& 7]/' \
    's/codes >>= 4/codes >>= 3/' 's/(x - first) \* 4/(x - first) * 8/' \
    's/in < last/in <= last/' 's/(w + first)/w/' 's/block += 4 \* n_in/block += n_in/' \
    's/first + (size_t)at/(size_t)at/' 's/i >> last/i/' \
    's/(i & last) | odd/odd/' 's/rest += o & 1/rest += 1/'; do
    mutant nomul/hb_products_nomul.h "$edit" $products
done
for edit in 's/x > 0/1/' 's/size << 23/size << 22/' \
    's/minus\[3\] = 0x10000 - pair/minus[3] = -pair/' \
    's/minus\[0\] = 0x10000 - pair/minus[0] = -pair/' 's/pair >>= 2/pair >>= 1/'; do
    mutant nomul/hb_linear_shift4_nomul.c "$edit" hb_linear_shift4_nomul
done
for line in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    mutant nomul/hb_linear_nf4_nomul.c \
        "s/product\[$line\] = .*;/product[$line] = (int16_t)x;/" \
        hb_linear_nf4_nomul
done

# avr: linear layers in blocks. What all formats share is broken in two.
blocks='hb_linear_binary_avr hb_linear_sym4_avr'
nibbles='hb_linear_sym4_avr hb_linear_int4_avr hb_linear_sym5_avr'
avr_blocks() {
    mutant avr/hb_linear_avr.h "$1" $blocks
}
mutant avr/hb_nibbles_avr.h 's/LIMIT = 4369/LIMIT = 4500/' $nibbles
avr_blocks 's/left == 0 ||/left == 99 ||/'
avr_blocks 's/&& left > 0; left--/; left--/; s/farthest + 1/farthest + 2/'
mutant avr/hb_linear_avr.h 's/UINT8_MAX \/ BYTES/UINT8_MAX \/ BYTES + 1/' \
    hb_linear_sym4_avr
avr_blocks 's/(farthest \* BYTES)/(farthest * BYTES - BYTES)/'
avr_blocks 's/apart -= farthest + 1/apart -= farthest/'
avr_blocks 's/((uint8_t)apart - 1)/(uint8_t)apart/'
avr_blocks 's/  last = in;/;/'
avr_blocks 's/list->others = v/(void)0/'
avr_blocks 's/in--;/;/'
avr_blocks 's/sum = (uint16_t)(sum - (uint8_t)v);/;/'
avr_blocks 's/begin == 0/1/'
avr_blocks 's/begin == 0/0/'
avr_blocks 's/STEP \*/(STEP + 1) */'
avr_blocks 's/- offset/+ offset/'
avr_blocks 's/w += stride/w += stride + 1/'
avr_blocks 's/w + begin \* BYTES/w/'
avr_blocks 's/w + list.next \* BYTES/w/'
avr_blocks 's/hb_negate(y, n);/;/'
avr_blocks 's/rows += stride/rows += 2 * stride/'
avr_blocks 's/n_out - n >= BLOCK/n_out - n + 1 >= BLOCK/'
mutant avr/hb_list_avr.h 's/in < end && /in + 1 < end \&\& /' $blocks
mutant avr/hb_linear_shift4_avr.c 's/define FULL 7/define FULL 15/' \
    hb_linear_shift4_avr
mutant avr/hb_factors_avr.h 's/4 \* (k % 2)/4 * (1 - k % 2)/' \
    hb_linear_shift4_avr hb_linear_nf4_avr
mutant avr/hb_nibbles_avr.h 's/4 \* (k % 2)/4 * (1 - k % 2)/' $nibbles
mutant avr/hb_pairs_avr.h 's/w\[k \/ 4\]/w[0]/' hb_linear_sym2_avr
mutant avr/hb_bits_avr.h 's/\*w >> k/*w >> (7 - k)/' \
    hb_linear_binary_avr hb_linear_sym5_avr
mutant avr/hb_trits_avr.h 's/k % 5 == 0/k == 0/' hb_linear_ternary_avr
mutant avr/hb_bytes_avr.h 's/w\[k\]/(int8_t)w[k]/' hb_linear_int8_avr
mutant avr/hb_linear_sym5_avr.c 's/<< 4)/<< 3)/' hb_linear_sym5_avr
# Plane kernels: the bound of half a word, what a half begins with, the taps.
plane() {
    mutant mul/hb_plane_mul.h "$1" hb_plane_mul
}
plane 's/HB_FITS = 516/HB_FITS = 517/'
plane 's/above += w->lower/above += w->upper/'
plane 's/below += w->upper/below += w->lower/'
plane 's/(x >> 16)/(x \& 0xffff)/'
plane 's/x\[2\]/x[1]/'
plane 's/&w\[2\], a, c/\&w[2], a, d/'
plane 's/&w\[1\], b, d/\&w[0], b, d/'
plane 's/<< \*s)/<< (*s + 1))/'
plane 's/y > k->hi ? k->hi : y/y/'
plane 's/ - start \* k->mul//'
plane 's/k->none == 0 \&\& //'
plane 's/ \&\& \*m >= 0//'
plane 's/? start + 1/? start + 2/'
plane 's/size->negative -= w/size->negative += w/'
plane 's/own << 16 | own/own << 16/'
plane 's/below << 16 | below/below << 16/'
plane 's/(w->second << 16)/(w->second << 15)/'
plane 's/first \&\& last/first/'
plane 's/first \&\& last/last/'
planes() {
    mutant mul/hb_plane_mul.c "$1" hb_plane_mul
}
planes 's/scale.none << 16 | scale.none/scale.none/'
planes 's/if (first == 0)/if (1)/'
planes 's/first > 1/first > 2/'
planes 's/in_width = plane->in_width/in_width = plane->out_width/'
planes 's/, \&a, \&b)/, \&b, \&a)/'
planes 's/c = own, d = own/c = own, d = below/'
planes 's/? below : own/? own : own/'
planes 's/? own \& 0xffff/? own/'
planes 's/? own >> 16/? own/'
planes 's/(k, lower(sums, own, fit)) << 16/(k, lower(sums, own, fit)) << 15/'
planes 's/hb_most(p, q) >> 16/p >> 16/'
planes 's/hb_most(lower(p, a, fit), lower(q, b, fit))/lower(p, a, fit)/'
planes 's/hb_most(v, l)/v/'
planes 's/first | pooled/pooled/'
planes 's/x += 2, y++/x += 2, y += 2/'
planes 's/fit == HB_ONE_BY_ONE/0/'
planes 's/fit == HB_TOGETHER/1/'
each() {
    mutant mul/hb_plane_one_by_one_mul.c "$1" hb_plane_one_by_one_mul
}
each 's/hb_most(t.upper, t.lower)/t.upper/'
each 's/odd ? \*y | v << 16 : v/v/'
each 's/->pool ? 1 : 2/->pool ? 2 : 2/'
each 's/ - (w->second << 16)//'
each 's/w2 \* x3/w2 * x2/'
each 's/summed(in + 1/summed(in/'
each 's/{k->start, k->start}/{0, 0}/'
spans() {
    mutant ../src/hb_spans.c "$1" hb_spans
}
spans 's/in\[3\]/in[2]/'
spans 's/y < first ? y : first/y/'
spans 's/end - first/end/'
spans 's/n_pairs + 1/n_pairs/'

# avr: kernels that take what the portable ones take.
conv3x3() {
    mutant avr/hb_conv3x3_avr.h "$1" hb_conv_int8_avr
}
conv3x3 's/kernel_h != 3/kernel_h > 3/'
conv3x3 's/kernel_w != 3/kernel_w > 3/'
conv3x3 's/window->stride != 1/0/'
conv3x3 's/window->channels != 1/0/'
conv3x3 's/window->pixel > UINT8_MAX/0/'
conv3x3 's/window->n_out > UINT8_MAX/0/'
conv3x3 's/== NULL ? 0 : next/== NULL ? next : next/'
conv3x3 's/ + first;/;/'
conv3x3 's/p >= 0 \&\& //'
conv3x3 's/ \&\& p < n_in//'
conv3x3 's/(size_t)p \* taps->pixel/(size_t)p/'
conv3x3 's/k % 3) \* taps->pixel/k % 3)/'
conv3x3 's/level\[6\]/level[5]/'
conv3x3 's/n_in + pad - 2/n_in + pad - 1/'
conv3x3 's/end < n_out ? end : n_out/end/'
conv3x3 's/\[k \/ 3\]/[k % 3]/'
conv3x3 's/x + k % 3/x + k \/ 3/'
maxpool() {
    mutant avr/hb_maxpool_avr.c "$1" hb_maxpool_avr
}
maxpool 's/window->kernel_h != 2/0/'
maxpool 's/window->stride != 2/0/'
maxpool 's/window->pad != 0/0/'
maxpool 's/window->channels != 1/0/; s/window->pixel != 1/0/'
maxpool 's/rows\[1\] == NULL/0/'
for k in 0 1; do
    maxpool "s/upper\[$k\]/lower[$k]/"
    maxpool "s/lower\[$k\]/upper[$k]/"
done
mulshift() {
    mutant avr/hb_mulshift_channel_avr.c "$1" hb_mulshift_channel_avr
}
mulshift 's/shift == 0 ||//'
mulshift 's/step > UINT8_MAX ||//'
mulshift 's/n > UINT8_MAX ||//'
mulshift 's/128, 64, 32/128, 64, 16/'
mulshift 's/& 7;/\& 3;/'
mulshift 's/>> 3;/>> 4;/'
mulshift 's/v >= scale->above/v > scale->above/'
mulshift 's/v < scale->low/v < 0/'
mulshift 's/(hi + 1)/(hi + 2)/'
mulshift 's/up \* lo/up * (lo - 1)/'
mulshift 's/ + scale->b/ - scale->b/'
avr_maxshift() {
    mutant avr/hb_maxshift_avr.c "$1" hb_maxshift_avr
}
avr_maxshift 's/lo < 0 ? -v : 0/-v/'
avr_maxshift 's/v > m)/v >= m + 2)/'
avr_maxshift 's/acc + n; acc/acc + n; acc + 1/'
avr_maxshift 's/m > hi/m >= hi/'
avr_maxshift 's/acc + half/acc/'
avr_maxshift 's/(s > 16)/(s > 32)/'
avr_maxshift 's/s > 8/s > 9/'
avr_maxshift 's/v = ~v/v = -v/'
avr_maxshift 's/~lo/hi/'
avr_maxshift 's/shifted > most/shifted > 255/'
mutant avr/hb_mulshift_avr.c 's/b + i/b/' hb_mulshift_avr
mutant avr/hb_mulshift_avr.c 's/i < n/i + 1 < n/' hb_mulshift_avr

echo "$count mutants, $failures failures"
[ "$failures" -eq 0 ]
