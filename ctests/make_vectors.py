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


def reciprocal(area: int, largest: int) -> tuple[int, int] | None:
    """SPEC 2.1, for values up to the largest; None if there is none."""
    for s in range(32):
        mul = -(-(1 << s) // area)
        if largest * mul < 2**32 and all(v * mul >> s == v // area for v in range(largest + 1)):
            return mul, s
    return None


def activations(n: int, lo: int, hi: int) -> list[int]:
    """Return n of them, the ends among them more often than the rest."""
    return [RANDOM.choice((lo, hi, RANDOM.randint(lo, hi))) for _ in range(n)]


def multiplier() -> int:
    """Return an int16, its ends more often than the rest."""
    return RANDOM.choice((-32768, 32767, any_width(15), any_width(15)))


Pair = tuple[int, int]
Map = list[list[list[int]]]  # [y][x][c]


def as_map(flat: list[int], shape: tuple[int, int, int]) -> Map:
    """Return a map of (height, width, channels)."""
    _, width, channels = shape
    return [
        [flat[i : i + channels] for i in range(row, row + width * channels, channels)]
        for row in range(0, len(flat), width * channels)
    ]


def windows(x: Map, size: Pair, stride: Pair, padding: Pair) -> list[list[tuple[int, int, list[int]]]]:
    """Return (ky, kx, pixel) of every place of the window inside the map, for each output pixel."""
    height, width = len(x), len(x[0])
    rows, cols = (
        range(-p, n + p - k + 1, s) for n, k, s, p in zip((height, width), size, stride, padding, strict=True)
    )
    return [
        [
            (ky, kx, x[y + ky][x0 + kx])
            for ky in range(size[0])
            for kx in range(size[1])
            if 0 <= y + ky < height and 0 <= x0 + kx < width
        ]
        for y in rows
        for x0 in cols
    ]


def conv(
    name: str,
    in_shape: tuple[int, int, int],
    n_out: int,
    size: Pair = (3, 3),
    *,
    stride: Pair = (1, 1),
    padding: Pair = (1, 1),
    groups: int = 1,
    filler: bool = False,
) -> None:
    """SPEC 5.7."""
    channels = in_shape[2] // groups
    legal = [c for c, level in enumerate(LEVELS[name]) if level != -128]
    codes = [[RANDOM.choice(legal) for _ in range(size[0] * size[1] * channels)] for _ in range(n_out)]
    levels = [[LEVELS[name][c] for c in row] for row in codes]
    x = activations(math.prod(in_shape), -127, 127)
    y = []
    for places in windows(as_map(x, in_shape), size, stride, padding):
        for o, row in enumerate(levels):
            first = o // (n_out // groups) * channels
            y.append(
                sum(
                    row[(ky * size[1] + kx) * channels + c] * pixel[first + c]
                    for ky, kx, pixel in places
                    for c in range(channels)
                )
            )
    block(
        f"conv_{name}",
        in_shape=in_shape,
        size=size,
        stride=stride,
        padding=padding,
        groups=groups,
        n_out=n_out,
        x=x,
        levels=[level for row in levels for level in row],
        w=[byte for row in codes for byte in pack(name, row, padding=filler)],
        y=y,
    )


def pool(in_shape: tuple[int, int, int], size: Pair, stride: Pair, padding: Pair, lo: int) -> None:
    """SPEC 5.8 and 5.9."""
    x = activations(math.prod(in_shape), lo, 127)
    window = {"size": size, "stride": stride, "padding": padding}
    seen = windows(as_map(x, in_shape), **window)
    y = [max(v) for places in seen for v in zip(*(pixel for *_, pixel in places), strict=True)]
    block("maxpool", in_shape=in_shape, **window, x=x, y=y)
    sums = [sum(v) for places in seen for v in zip(*(pixel for *_, pixel in places), strict=True)]
    block("avgpool", in_shape=in_shape, **window, **mean(size[0] * size[1], lo), x=x, y=means(sums, size[0] * size[1]))


def mean(area: int, lo: int) -> dict[str, int]:
    """SPEC 5.9: how the mean is computed."""
    base = 0 if lo == 0 else 127
    offset = area // 2 + base * area
    mul, shift = reciprocal(area, 127 * area + offset) or (0, 0)
    return {"base": base, "offset": offset, "mul": mul, "shift": shift}


def means(sums: list[int], area: int) -> list[int]:
    """Round them half up."""
    return [(2 * v + area) // (2 * area) for v in sums]


def global_average(in_shape: tuple[int, int, int], lo: int) -> None:
    """SPEC 5.10."""
    x = activations(math.prod(in_shape), lo, 127)
    channels = in_shape[2]
    sums = [sum(x[c::channels]) for c in range(channels)]
    area = in_shape[0] * in_shape[1]
    block("global_average", in_shape=in_shape, **mean(area, lo), x=x, y=means(sums, area))


def join(lo: int, hi: int, s: int) -> None:
    """SPEC 5.11 and 5.12."""
    m = [multiplier(), multiplier()]
    a, b = activations(12, -127, 127), activations(12, -127, 127)
    y = [clamp(round_shift(v * m[0] + u * m[1], s), lo, hi) for v, u in zip(a, b, strict=True)]
    block("add", m=m, s=s, lo=lo, hi=hi, a=a, b=b, y=y)
    channels, n_pixels = [RANDOM.randint(1, 4) for _ in range(RANDOM.randint(1, 3))], RANDOM.randint(1, 5)
    m = [multiplier() for _ in channels]
    inputs = [activations(n_pixels * n, -127, 127) for n in channels]
    y = [
        clamp(round_shift(v * k, s), lo, hi)
        for p in range(n_pixels)
        for x, k, n in zip(inputs, m, channels, strict=True)
        for v in x[p * n : (p + 1) * n]
    ]
    flat = [v for x in inputs for v in x]
    block("concat", n_pixels=n_pixels, channels=channels, m=m, s=s, lo=lo, hi=hi, x=flat, y=y)


def pointwise(lo: int, hi: int) -> None:
    """SPEC 5.13 and 5.14."""
    table = activations(hi - lo + 1, -127, 127)
    x = activations(12, lo, hi)
    block("lookup", lo=lo, table=table, x=x, y=[table[v - lo] for v in x])
    x = activations(12, -127, 127)
    block("clip", lo=lo, hi=hi, x=x, y=[clamp(v, lo, hi) for v in x])


def norm(lo: int, hi: int, c: int, s: int) -> None:
    """SPEC 5.15 and 5.16."""
    x = activations(9, -127, 127)
    n, total, square = len(x), sum(x), sum(v * v for v in x)
    for kind, d, size in (
        ("rmsnorm", x, square),
        ("layernorm", [n * v - total for v in x], n * square - total * total),
    ):
        r = c // max(math.isqrt(size), 1)
        block(kind, c=c, s=s, lo=lo, hi=hi, x=x, y=[clamp(round_shift(v * r, s), lo, hi) for v in d])


def input_planes(kind: str, low: int, high: int, lo: int, hi: int) -> None:
    """SPEC 2.3."""
    offset, shift = any_width(15), RANDOM.randint(0, 15)
    channels, n_pixels = RANDOM.randint(1, 4), RANDOM.randint(1, 5)
    x = [RANDOM.choice((low, high, RANDOM.randint(low, high))) for _ in range(channels * n_pixels)]
    y = [clamp((x[c * n_pixels + p] + offset) >> shift, lo, hi) for p in range(n_pixels) for c in range(channels)]
    block(
        f"input_planes_{kind}", n_pixels=n_pixels, channels=channels, offset=offset, shift=shift, lo=lo, hi=hi, x=x, y=y
    )


def scores(n: int) -> None:
    """SPEC 5.5 and 5.6."""
    acc = [any_width(30) for _ in range(n)]
    b = [any_width(30) for _ in range(n)]
    block("add_bias", b=b, acc=acc, y=[a + c for a, c in zip(acc, b, strict=True)])
    y = [RANDOM.randint(-3, 0) for _ in range(n)]
    block("argmax", y=y, index=y.index(max(y)))


def maps() -> None:
    """Print what reads a window of a map."""
    for name in LEVELS:
        conv(name, (3, 4, 5), 2, filler=True)
        conv(name, (4, 5, 4), 4, groups=4)
        conv(name, (5, 3, 6), 2, (2, 1), stride=(2, 2), padding=(0, 1), groups=2)
        conv(name, (9, 1, 3), 2, (5, 1), stride=(2, 1), padding=(2, 0))
        conv(name, (2, 3, 8), 3, (1, 1), padding=(0, 0))
        conv(name, (2, 2, 1), 1, (7, 7), stride=(3, 2), padding=(5, 6))
    for lo in (0, -127):
        pool((4, 6, 3), (2, 2), (2, 2), (0, 0), lo)
        pool((5, 4, 2), (3, 3), (2, 1), (1, 1), lo)
        pool((7, 1, 3), (4, 1), (3, 1), (2, 0), lo)
        for shape in ((3, 3, 4), (4, 4, 2), (7, 7, 3), (1, 5, 1)):
            global_average(shape, lo)


def large_means() -> None:
    """Print means of areas that are divided by."""
    global_average((28, 28, 2), -127)
    global_average((25, 25, 1), 0)
    pool((12, 13, 2), (15, 19), (3, 4), (7, 9), -127)
    pool((30, 23, 1), (27, 21), (2, 1), (3, 4), 0)


def joins() -> None:
    """Print what joins maps, and what takes their elements one by one."""
    for lo, hi in ((0, 127), (-127, 127), (0, 15), (-15, 15)):
        for s in (0, 7, 12, 15, 31):
            join(lo, hi, s)
        pointwise(lo, hi)
        for c, s in ((0, 0), (1000, 3), (2**20, 15), (2**26, 19)):
            norm(lo, hi, c, s)
        input_planes("u8", 0, 255, lo, hi)
        input_planes("i8", -128, 127, lo, hi)
        input_planes("i16", -32768, 32767, lo, hi)


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
    maps()
    joins()
    large_means()


if __name__ == "__main__":
    main()
