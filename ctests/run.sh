#!/bin/sh
# Configures, builds and runs the C tests: every preset whose compiler is here.
# SPDX-License-Identifier: Apache-2.0
#
# The mutants run once, with `default`: they are most of the time, and whether
# a test notices them does not depend on the compiler.
set -eu
cd "$(dirname "$0")/.."

run() {
    preset=$1
    shift
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset" >/dev/null
    ctest --preset "$preset" "$@"
}

run default
for preset in O0 Os asan; do
    run "$preset" -E mutated
done
if command -v clang >/dev/null; then
    run clang -E mutated
    run clang-asan -E mutated
else
    echo "SKIPPED: no clang here; its code was not compared with gcc's"
fi
