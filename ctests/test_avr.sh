#!/bin/sh
# Compiles all of firmware/ for a chip with a 16-bit int and two memories.
# SPDX-License-Identifier: Apache-2.0
#
#     test_avr.sh ROOT            exits with 77 where there is no avr-gcc
set -eu
root=$1

if ! command -v avr-gcc >/dev/null; then
    echo "SKIPPED: no avr-gcc here; nothing was compiled for a 16-bit int"
    exit 77
fi

count=0
for file in "$root"/firmware/src/*.c "$root"/firmware/codecs/*.c \
    "$root"/firmware/variants/avr/*.c; do
    avr-gcc -mmcu=atmega328p -std=gnu99 -Os -pedantic -Wall -Wextra \
        -Wconversion -Wshadow -Wmissing-prototypes -Werror \
        -I "$root/firmware/include" -I "$root/firmware/src" \
        -c -o /dev/null "$file"
    count=$((count + 1))
done
[ "$count" -ge 54 ] || { echo "only $count files found"; exit 1; }
echo "$count files"
