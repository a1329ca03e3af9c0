# SPDX-License-Identifier: Apache-2.0
"""huffman: a canonical Huffman code over the levels of a tensor, in columns (SPEC 4.6).

D. A. Huffman 1952; lengths are limited by package-merge, L. L. Larmore and D. S. Hirschberg 1990.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter.codecs.base import CodecError, codec
from exporter.codecs.bits import write_bits

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Ints = npt.NDArray[np.int64]

LONGEST = 7  # bits of a code
LEVELS = 32
MOST = 127  # that the first level can be
APART = 255  # levels at most
HEAD = 4  # bytes in front of the levels
FIELD = 16  # bits of a column's length at most
WORTH = 12  # a field may be a twelfth of its column
BEHIND = 3  # bytes of 0 that a kernel may read behind the codes


def lengths(counts: Sequence[int], longest: int = LONGEST) -> Ints:
    """Bits of the code of each symbol: the fewest in all for these counts, none longer than `longest`."""
    if len(counts) == 1:
        return np.ones(1, np.int64)
    singles = sorted((count, (symbol,)) for symbol, count in enumerate(counts))
    merged: list[tuple[int, tuple[int, ...]]] = []
    for _ in range(longest):
        pairs = zip(merged[::2], merged[1::2], strict=False)
        merged = sorted([*singles, *((a + b, left + right) for (a, left), (b, right) in pairs)])
    chosen = [symbol for _, symbols in merged[: 2 * len(counts) - 2] for symbol in symbols]
    return np.bincount(chosen, minlength=len(counts))


def pack(levels: npt.NDArray[np.integer]) -> Bytes:
    """(n_out, n_in) levels -> the stream."""
    found, symbols, counts = np.unique(levels, return_inverse=True, return_counts=True)
    symbols = symbols.reshape(levels.shape).T.astype(np.int64)  # (n_in, n_out)
    if levels.size == 0:
        found, counts = np.zeros(1, np.int64), np.ones(1, np.int64)
    if len(found) > LEVELS:
        raise CodecError(f"{len(found)} distinct levels, a table holds {LEVELS}")
    if found[0] > MOST or np.diff(found).max(initial=0) > APART:
        raise CodecError(f"levels of {', '.join(map(str, found))} alone")
    bits = lengths(counts.tolist())
    order, code = _canonical(bits)
    columns = bits[symbols].sum(axis=1)
    least, field = _fields(columns)
    fields = (columns - least)[:, None], np.full((len(columns), 1), field)
    values = np.hstack([fields[0], code[symbols]])
    widths = np.hstack([fields[1], bits[symbols]])
    stream = np.packbits(write_bits(values.ravel(), widths.ravel()))
    head = [len(found), field, least & 255, least >> 8, *(found & 255), *(order << 3 | bits[order])]
    return np.concatenate([np.array(head, np.uint8), stream, np.zeros(BEHIND, np.uint8)])


def _canonical(bits: Ints) -> tuple[Ints, Ints]:
    """Symbols in the order of their codes, shorter ones first, and the code of every symbol."""
    order = np.lexsort((np.arange(len(bits)), bits))
    steps = 1 << (LONGEST - bits[order])
    code = np.empty_like(bits)
    code[order] = (np.cumsum(steps) - steps) >> (LONGEST - bits[order])
    return order, code


def _fields(columns: Ints) -> tuple[int, int]:
    """The shortest column, and bits of the field that says how much longer each is; 0, 0 where they do not pay."""
    least = int(columns.min(initial=0)) if len(columns) else 0
    field = max(1, int(columns.max(initial=0) - least).bit_length())
    if columns.size == 0 or field > FIELD or least >= 1 << 16 or field * WORTH > columns.mean():
        return 0, 0
    return least, field


def unpack(data: Bytes, n_out: int, n_in: int) -> npt.NDArray[np.int64]:
    """The inverse of `pack`."""
    n, field = int(data[0]), int(data[1])
    stored = data[HEAD : HEAD + n]
    level = np.cumsum(np.append(stored[:1].view(np.int8).astype(np.int64), np.diff(stored)))
    entries = data[HEAD + n : HEAD + 2 * n].astype(np.int64)
    table = np.repeat(entries, 1 << (LONGEST - (entries & 7)))
    stream = np.unpackbits(data[HEAD + 2 * n :]).astype(np.int64)
    window = np.convolve(stream, 1 << np.arange(LONGEST))[LONGEST - 1 :]  # the 7 bits from each one on
    levels = np.empty((n_in, n_out), np.int64)
    at = 0
    for column in levels:
        at += field
        for o in range(n_out):
            entry = table[window[at]]
            column[o] = level[entry >> 3]
            at += entry & 7
    return levels.T


HUFFMAN = codec("huffman", pack, unpack)
