"""Prints vectors.txt: pseudo-random vectors, straight from the equations of SPEC.md.

    python ctests/make_vectors.py > ctests/vectors.txt

It imports nothing of halfbyte, so that the vectors do not repeat a mistake of the code they check.
"""
# SPDX-License-Identifier: Apache-2.0

import math
import random
from collections.abc import Iterable, Sequence

RANDOM = random.Random(1)  # noqa: S311 - test data, no secrets

LEVELS: dict[str, Sequence[int]] = {  # of code 0, 1, 2, ...
    "binary": (-1, 1),
    "ternary": (-1, 0, 1),
    "sym2": range(-3, 4, 2),
    "sym4": range(-15, 16, 2),
    "int4": range(-8, 8),
    "shift4": tuple(sign * 2**k for sign in (1, -1) for k in range(8)),
    "nf4": (-127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127),
    "sym5": range(-31, 32, 2),
    "int8": (*range(128), *range(-128, 0)),
}
BITS = {"binary": 1, "sym2": 2, "sym4": 4, "int4": 4, "shift4": 4, "nf4": 4, "sym5": 5, "int8": 8}
SIZES = ((1, 1), (2, 3), (3, 2), (4, 2), (5, 3), (6, 1), (7, 2), (8, 2), (9, 1), (16, 3), (33, 2))


def block(op: str, **values: int | Iterable[int]) -> None:
    """Print one vector."""
    print("```vector")
    print(f"op = {op}")
    for key, value in values.items():
        numbers = (value,) if isinstance(value, int) else value
        print(f"{key} = {' '.join(map(str, numbers))}")
    print("```\n")


def clamp(v: int, lo: int, hi: int) -> int:
    """SPEC 1."""
    return min(max(v, lo), hi)


def round_shift(v: int, s: int) -> int:
    """SPEC 1."""
    return (v + (1 << s >> 1)) >> s


def any_width(bits: int) -> int:
    """Return an integer of at most so many bits and a sign; small ones are as likely as large."""
    end = (1 << RANDOM.randint(0, bits)) - 1
    return RANDOM.randint(-end, end)


def pack(name: str, codes: list[int], *, padding: bool) -> list[int]:
    """SPEC 4. Past the last code lie zeros, or the largest there is."""
    if name == "ternary":
        codes = codes + [2 * padding] * (-len(codes) % 5)
        groups = [codes[i : i + 5] for i in range(0, len(codes), 5)]
        return [-(-256 * int("".join(map(str, t)), 3) // 243) for t in groups]
    word = sum(c << i * BITS[name] for i, c in enumerate(codes))
    n_bits = len(codes) * BITS[name]
    n_bytes = -(-n_bits // 8)
    if padding:
        word |= (1 << 8 * n_bytes) - (1 << n_bits)
    return list(word.to_bytes(n_bytes, "little"))


def linear(name: str, n_in: int, n_out: int, *, padding: bool = False) -> None:
    """SPEC 5.1."""
    legal = [c for c, level in enumerate(LEVELS[name]) if level != -128]
    codes = [[RANDOM.choice(legal) for _ in range(n_in)] for _ in range(n_out)]
    levels = [[LEVELS[name][c] for c in row] for row in codes]
    x = [RANDOM.choice((-127, 127, RANDOM.randint(-127, 127))) for _ in range(n_in)]
    block(
        f"linear_{name}",
        n_in=n_in,
        n_out=n_out,
        x=x,
        levels=[level for row in levels for level in row],
        w=[byte for row in codes for byte in pack(name, row, padding=padding)],
        y=[sum(a * b for a, b in zip(row, x, strict=True)) for row in levels],
    )


def resize_area(in_h: int, in_w: int, out_h: int, out_w: int) -> None:
    """SPEC 2.1."""
    g_h, g_w = math.gcd(in_h, out_h), math.gcd(in_w, out_w)
    rows, cols = in_h // g_h, in_w // g_w
    area = rows * cols
    mul, shift = next(
        (mul, s)
        for s in range(32)
        for mul in (-(-(1 << s) // area),)
        if all(v * mul < 2**32 and v * mul >> s == v // area for v in range(255 * area + 1))
    )
    x = [RANDOM.choice((0, 255, RANDOM.randint(0, 255))) for _ in range(in_h * in_w)]
    y = []
    for oy in range(out_h):
        for ox in range(out_w):
            parts = [
                x[py // (out_h // g_h) * in_w + px // (out_w // g_w)]
                for py in range(oy * rows, (oy + 1) * rows)
                for px in range(ox * cols, (ox + 1) * cols)
            ]
            y.append(sum(parts) // area)
    block("resize_area", in_h=in_h, in_w=in_w, out_h=out_h, out_w=out_w, mul=mul, shift=shift, x=x, y=y)


def input_shift(kind: str, low: int, high: int, lo: int, hi: int) -> None:
    """SPEC 2.2."""
    offset, shift = any_width(15), RANDOM.randint(0, 15)
    x = [low, high, *(RANDOM.randint(low, high) for _ in range(10))]
    y = [clamp((v + offset) >> shift, lo, hi) for v in x]
    block(f"input_shift_{kind}", offset=offset, shift=shift, lo=lo, hi=hi, x=x, y=y)


def maxshift(lo: int, hi: int, bits: int) -> None:
    """SPEC 5.2."""
    acc = [any_width(bits) for _ in range(12)]
    m = max(0, *acc) if lo == 0 else max(abs(v) for v in acc)
    s = next(s for s in range(32) if m >> s <= hi)
    block("maxshift", lo=lo, hi=hi, acc=acc, y=[clamp(round_shift(v, s), lo, hi) for v in acc])


def shift(lo: int, hi: int, s: int) -> None:
    """SPEC 5.3."""
    acc = [any_width(29) for _ in range(12)]
    b = [any_width(29) for _ in range(12)]
    y = [clamp(round_shift(a + c, s), lo, hi) for a, c in zip(acc, b, strict=True)]
    block("shift", lo=lo, hi=hi, s=s, b=b, acc=acc, y=y)


def mulshift(lo: int, hi: int) -> None:
    """SPEC 5.4."""
    m = [-32768, 32767, *(any_width(15) for _ in range(10))]
    b = [any_width(30) for _ in m]
    s = [RANDOM.choice((0, 31, RANDOM.randint(0, 31), RANDOM.randint(0, 31))) for _ in m]
    acc = [RANDOM.randint(-(2**30), 2**30) // max(abs(v), 1) for v in m]
    y = [clamp((a * v + c) >> k, lo, hi) for a, v, c, k in zip(acc, m, b, s, strict=True)]
    block("mulshift", lo=lo, hi=hi, m=m, b=b, s=s, acc=acc, y=y)


def scores(n: int) -> None:
    """SPEC 5.5 and 5.6."""
    acc = [any_width(30) for _ in range(n)]
    b = [any_width(30) for _ in range(n)]
    block("add_bias", b=b, acc=acc, y=[a + c for a, c in zip(acc, b, strict=True)])
    y = [RANDOM.randint(-3, 0) for _ in range(n)]
    block("argmax", y=y, index=y.index(max(y)))


def main() -> None:
    """Print all vectors."""
    print("Vectors made by make_vectors.py; the syntax is in SPEC.md, section 1.\n")
    for name in LEVELS:
        for n_in, n_out in SIZES:
            linear(name, n_in, n_out)
        linear(name, 7, 2, padding=True)
    for sizes in ((8, 8, 4, 4), (7, 7, 4, 4), (4, 6, 6, 4), (3, 3, 5, 2), (1, 1, 3, 3), (9, 2, 1, 2)):
        resize_area(*sizes)
    for lo, hi in ((0, 127), (-127, 127), (0, 15), (-15, 15)):
        input_shift("u8", 0, 255, lo, hi)
        input_shift("i8", -128, 127, lo, hi)
        input_shift("i16", -32768, 32767, lo, hi)
        mulshift(lo, hi)
        for bits in (6, 7, 12, 29):
            maxshift(lo, hi, bits)
        for s in (0, 1, 9, 23, 31):
            shift(lo, hi, s)
    for n in (1, 2, 10):
        scores(n)


if __name__ == "__main__":
    main()
