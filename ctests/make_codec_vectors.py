"""Prints codec_vectors.txt: pseudo-random vectors of coded weights, straight from SPEC 4.6 and on.

    python ctests/make_codec_vectors.py > ctests/codec_vectors.txt

It imports nothing of halfbyte, so that the vectors do not repeat a mistake of the code they check. Streams are valid
ones, but not always the shortest.
"""
# SPDX-License-Identifier: Apache-2.0

import itertools
import random
from collections.abc import Iterable, Sequence

RANDOM = random.Random(2)  # noqa: S311 - test data, no secrets
EVEN, UNEVEN, FAR = (*range(-8, 8),), (-127, -88, -67, -36, -12, 0, 10, 31, 92, 127), (-128, -127, 0, 128)
ODD, TWO, ONE, WIDE = (*range(-31, 32, 2),), (0, 3), (-7,), (*range(-128, 128),)
SIZES = ((1, 1), (2, 3), (3, 2), (5, 4), (1, 5), (2, 6), (3, 7), (4, 8), (2, 9), (3, 16), (2, 17), (2, 33), (2, 70))
Rows = list[list[int]]  # levels by input, then output


def bits(value: int, width: int) -> str:
    """Return the lowest bits of a number, the highest of them first."""
    return "".join(str(value >> k & 1) for k in reversed(range(width)))


def stream(text: str) -> list[int]:
    """Return bits as bytes."""
    text += "0" * (-len(text) % 8)
    return [int(text[at : at + 8], 2) for at in range(0, len(text), 8)]


def table(levels: Sequence[int]) -> list[int]:
    """SPEC 4.6."""
    apart = [b - a for a, b in itertools.pairwise(levels)]
    head = [len(levels), levels[0] & 255]
    return [*head, apart[0] if apart else 1] if len(set(apart)) < 2 else [*head, 0, 0, *apart]


def prefix_code(n: int) -> list[str]:
    """Return the codes of n levels: a complete code, of lengths of any kind up to 7, canonical."""
    lengths = [0]
    while len(lengths) < n:
        k = RANDOM.choice([k for k, length in enumerate(lengths) if length < 7])
        lengths[k : k + 1] = [lengths[k] + 1] * 2
    RANDOM.shuffle(lengths)
    found, code = [""] * n, 0
    for k in sorted(range(n), key=lambda k: (lengths[k], k)):
        found[k] = bits(code >> (7 - lengths[k]), lengths[k])
        code += 1 << (7 - lengths[k])
    return found


def entries(codes: Sequence[str]) -> list[int]:
    """SPEC 4.7."""
    return [k << 3 | len(codes[k]) for k in sorted(range(len(codes)), key=lambda k: (len(codes[k]), k))]


def with_fields(columns: Sequence[str]) -> tuple[list[int], list[int]]:
    """SPEC 4.7: three bytes of a head, and columns behind their fields."""
    least = min(map(len, columns), default=0)
    field = max((len(column) - least for column in columns), default=0).bit_length()
    text = "".join(bits(len(column) - least, field) + column for column in columns)
    return [field, least & 255, least >> 8], [*stream(text), 0, 0, 0]


def huffman(rows: Rows, levels: Sequence[int]) -> list[int]:
    """SPEC 4.7."""
    codes = prefix_code(len(levels))
    head, behind = with_fields(["".join(codes[levels.index(level)] for level in row) for row in rows])
    return [*head, *table(levels), *entries(codes), *behind]


def bitmask(rows: Rows, levels: Sequence[int]) -> list[int]:
    """SPEC 4.8."""
    own = len(levels) > 32
    width = 8 if own else max(1, (len(levels) - 1).bit_length())
    codes = "".join(bits(level if own else levels.index(level), width) for row in rows for level in row if level)
    masks = ["".join(str(int(level != 0)) for level in row) for row in rows]
    masks = [mask[at : at + 8].ljust(8, "0")[::-1] for mask in masks for at in range(0, len(mask), 8)]
    return [width, *([0, 0, 1] if own else table(levels)), *(int(mask, 2) for mask in masks), *stream(codes)]


def runs(rows: Rows, levels: Sequence[int]) -> list[int]:
    """SPEC 4.9."""
    levels = sorted({0, *levels})
    g = RANDOM.choice([g for g in range(3, 8) if len(levels) <= 1 << (8 - g)])
    found, gap = [], 0
    for level in [level for row in rows for level in row]:
        if level or gap == (1 << g) - 1:
            found.append(levels.index(level) << g | gap)
            gap = -1
        gap += 1
    return [g, *table(levels), *found, gap]


def widths(rows: Rows, _: Sequence[int]) -> list[int]:
    """SPEC 4.10."""
    heads, codes = [], []
    for o in range(len(rows[0])):
        output = [row[o] for row in rows]
        shift = next((s for s in range(8) if any(level >> s & 1 for level in output)), 0)
        width = next(
            w for w in range(9) if all(-(1 << w >> 1) <= level >> shift < max(1 << w >> 1, 1) for level in output)
        )
        heads.append(shift << 4 | width)
        codes.append([bits(level >> shift, width) for level in output])
    return [*heads, *stream("".join(code for column in zip(*codes, strict=True) for code in column))]


def rice(rows: Rows, levels: Sequence[int], shifts: Sequence[int] = ()) -> list[int]:
    """SPEC 4.11; of rows before they are shifted."""
    codes, k, columns = prefix_code(len(levels)), RANDOM.randint(1, 7), []
    for row in rows:
        text, gap = "", 0
        for level in row:
            if level:
                text += "1" * (gap >> k) + "0" + bits(gap, k) + codes[levels.index(level)]
            gap = 0 if level else gap + 1
        columns.append(text)
    head, behind = with_fields(columns)
    return [*head, k + 8 * bool(shifts), *shifts, *table(levels), *entries(codes), *behind]


def radix(rows: Rows, levels: Sequence[int]) -> list[int]:
    """SPEC 4.12."""
    n = len(levels)
    k = max(k for k in range(1, 17) if n**k <= 1 << 16)
    found = []
    for row in rows:
        for at in range(0, len(row), k):
            digits = [levels.index(level) for level in row[at : at + k]] + [0] * max(0, at + k - len(row))
            v = sum(digit * n ** (k - 1 - j) for j, digit in enumerate(digits))
            word = -(-(v << 16) // n**k)
            found += [word & 255, word >> 8]
    return [k, *table(levels), *found]


def block(op: str, **values: int | Iterable[int]) -> None:
    """Print one vector."""
    print("```vector")
    print(f"op = {op}")
    for key, value in values.items():
        numbers = (value,) if isinstance(value, int) else value
        print(f"{key} = {' '.join(map(str, numbers))}")
    print("```\n")


CODECS = {  # its packer, and tables of levels; of sparse ones 0 is none
    huffman: (EVEN, UNEVEN, FAR, ODD, TWO, ONE),
    bitmask: (EVEN, UNEVEN, FAR, ODD, WIDE, ONE),
    runs: (EVEN, UNEVEN, FAR, ODD[1:], TWO, ONE),
    widths: (EVEN, UNEVEN, TWO, ONE, WIDE),
    rice: (EVEN, UNEVEN, FAR, ODD, TWO, ONE),
    radix: (EVEN, UNEVEN, FAR, ODD, TWO, ONE),
}


def main() -> None:
    """Print all vectors."""
    print("Vectors made by make_codec_vectors.py; the syntax is in SPEC.md, section 1.\n")
    for pack, tables in CODECS.items():
        for levels in tables:
            for n_in, n_out in SIZES:
                able = [level for level in levels if level or pack not in (bitmask, rice)]
                zeros = RANDOM.choice((0, 0.5, 0.9)) if pack not in (huffman, radix) else 0
                rows = [
                    [0 if RANDOM.random() < zeros else RANDOM.choice(able) for _ in range(n_out)] for _ in range(n_in)
                ]
                x = [RANDOM.choice((0, -127, 127, RANDOM.randint(-127, 127))) for _ in range(n_in)]
                shifts = [RANDOM.randint(0, 3) for _ in range(n_out)] if pack is rice and levels is EVEN else []
                w = pack(rows, able, shifts) if shifts else pack(rows, able)
                if shifts:
                    rows = [[level << s for level, s in zip(row, shifts, strict=True)] for row in rows]
                block(
                    f"codec_{pack.__name__}",
                    n_in=n_in,
                    n_out=n_out,
                    x=x,
                    levels=[row[o] for o in range(n_out) for row in rows],
                    w=w,
                    y=[sum(row[o] * a for row, a in zip(rows, x, strict=True)) for o in range(n_out)],
                )


if __name__ == "__main__":
    main()
