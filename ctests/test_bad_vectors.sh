#!/bin/sh
# Proves that test_vectors refuses what is wrong, and says so.
# SPDX-License-Identifier: Apache-2.0
#
#     test_bad_vectors.sh TEST_VECTORS
set -eu
test_vectors=$1
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
failures=0

# refused MESSAGE MIN LINE...: a block of these lines must fail that way.
refused() {
    message=$1 min=$2
    shift 2
    { echo '```vector'; printf '%s\n' "$@"; echo '```'; } >"$folder/v.txt"
    status=0
    "$test_vectors" "$folder/v.txt" "$min" >"$folder/log" 2>&1 || status=$?
    if [ "$status" -ne 1 ] || ! grep -q "$message" "$folder/log"; then
        echo "exit status $status instead of 1 and \"$message\" for: $*"
        cat "$folder/log"
        failures=$((failures + 1))
    fi
}

# The same vector, right: everything below breaks one thing in it.
cat >"$folder/v.txt" <<'END'
```vector
op = linear_int4
n_in = 2
n_out = 1
x = 3 -4
levels = 1 -2
w = 0x69
y = 11
```
END
"$test_vectors" "$folder/v.txt" 1 >/dev/null

right='n_in = 2
n_out = 1
x = 3 -4'
refused 'y\[0\] is 11, expected 12' 1 'op = linear_int4' "$right" \
    'levels = 1 -2' 'w = 0x69' 'y = 12'
refused 'levels\[1\] is -2, expected -3' 1 'op = linear_int4' "$right" \
    'levels = 1 -3' 'w = 0x69' 'y = 11'
refused 'unknown op: linear_int3' 1 'op = linear_int3' "$right" \
    'levels = 1 -2' 'w = 0x69' 'y = 11'
refused 'missing key: levels' 1 'op = linear_int4' "$right" \
    'w = 0x69' 'y = 11'
refused 'missing key: y' 1 'op = linear_int4' "$right" \
    'levels = 1 -2' 'w = 0x69'
refused 'missing: op' 1 "$right" 'levels = 1 -2' 'w = 0x69' 'y = 11'
refused 'unknown key: z' 1 'op = linear_int4' "$right" \
    'levels = 1 -2' 'w = 0x69' 'y = 11' 'z = 1'
refused 'key given twice: y' 1 'op = linear_int4' "$right" \
    'levels = 1 -2' 'w = 0x69' 'y = 11' 'y = 11'
refused 'wrong number of values: w' 1 'op = linear_int4' "$right" \
    'levels = 1 -2' 'w = 0x69 0' 'y = 11'
refused 'wrong number of values: y' 1 'op = linear_int4' "$right" \
    'levels = 1 -2' 'w = 0x69' 'y = 11 12'
refused 'value out of range: w' 1 'op = linear_int4' "$right" \
    'levels = 1 -2' 'w = 256' 'y = 11'
refused 'not integers: y' 1 'op = linear_int4' "$right" \
    'levels = 1 -2' 'w = 0x69' 'y = 1l'
refused 'expected at least 2' 2 'op = argmax' 'y = 1' 'index = 0'

# A fence that nothing closes.
printf '```vector\nop = argmax\ny = 1\nindex = 0\n' >"$folder/v.txt"
if "$test_vectors" "$folder/v.txt" 1 >/dev/null 2>&1; then
    echo 'an open block passed'
    failures=$((failures + 1))
fi
# A file that is not there, and one without a vector.
: >"$folder/empty.txt"
for file in "$folder/none.txt" "$folder/empty.txt"; do
    if "$test_vectors" "$file" 1 >/dev/null 2>&1; then
        echo "$file passed"
        failures=$((failures + 1))
    fi
done
echo "$failures failures"
[ "$failures" -eq 0 ]
