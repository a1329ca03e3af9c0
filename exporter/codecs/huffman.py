# SPDX-License-Identifier: Apache-2.0
"""huffman: a canonical Huffman code over the levels of a tensor, in columns (SPEC 4.7).

D. A. Huffman 1952; lengths are limited by package-merge, L. L. Larmore and D. S. Hirschberg 1990.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter.codecs.base import CodecError, codec
from exporter.codecs.bits import write_bits
from exporter.codecs.levels import pack_table, table_of, unpack_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.codecs.base import Bytes, Ints, Levels

LONGEST = 7  # bits of a code
HEAD = 3  # bytes in front of the levels
MOST = (1 << 16) - 1  # bits of the shortest column, and that another has more
BEHIND = 3  # bytes of 0 that a kernel may read behind the codes


def lengths(counts: Sequence[int], longest: int = LONGEST) -> Ints:
    """Bits of the code of each symbol: the fewest in all for these counts, none longer than `longest`."""
    singles = sorted((count, (symbol,)) for symbol, count in enumerate(counts))
    merged: list[tuple[int, tuple[int, ...]]] = []
    for _ in range(longest):
        pairs = zip(merged[::2], merged[1::2], strict=False)
        merged = sorted([*singles, *((a + b, left + right) for (a, left), (b, right) in pairs)])
    chosen = [symbol for _, symbols in merged[: 2 * len(counts) - 2] for symbol in symbols]
    return np.bincount(chosen, minlength=len(counts)).astype(np.int64)


def pack(levels: Levels) -> Bytes:
    """(n_out, n_in) levels -> the stream."""
    found = table_of(levels)
    symbols = np.searchsorted(found, levels.T)  # (n_in, n_out)
    order, bits, code = codes_of(np.bincount(symbols.ravel(), minlength=len(found)))
    columns = bits[symbols].sum(axis=1)
    least = int(columns.min(initial=MOST)) if len(columns) else 0
    more = columns - least
    if max(least, *more, 0) > MOST:
        raise CodecError(f"a column of {max(columns)} bits, a field says {MOST} at most")
    field = int(more.max(initial=0)).bit_length()
    values = np.hstack([more[:, None], code[symbols]])
    widths = np.hstack([np.full((len(more), 1), field), bits[symbols]])
    head = np.array([field, least & 255, least >> 8], np.uint8)
    entries = (order << 3 | bits[order]).astype(np.uint8)
    stream = write_bits(values.ravel(), widths.ravel())
    return np.concatenate([head, pack_table(found), entries, stream, np.zeros(BEHIND, np.uint8)])


def codes_of(counts: Ints) -> tuple[Ints, Ints, Ints]:
    """Symbols in the order of their codes, shorter ones first; bits and code of every symbol."""
    used = np.flatnonzero(counts)
    used = np.zeros(1, np.int64) if len(used) == 0 else used
    bits, code = np.zeros_like(counts), np.zeros_like(counts)
    bits[used] = lengths(counts[used].tolist())
    order = used[np.argsort(bits[used], kind="stable")]
    steps = 1 << (LONGEST - bits[order])
    code[order] = (np.cumsum(steps) - steps) >> (LONGEST - bits[order])
    return order, bits, code


def read_entries(data: Bytes) -> tuple[Ints, Ints]:
    """The entry of every number of 7 bits, and the bits behind the entries.  # (128,), (bits,)"""
    steps = np.cumsum(1 << (LONGEST - (data & 7).astype(np.int64)))
    n = int(np.searchsorted(steps, 1 << LONGEST)) + 1
    entries = data[:n].astype(np.int64)
    return np.repeat(entries, 1 << (LONGEST - (entries & 7))), np.unpackbits(data[n:]).astype(np.int64)


def unpack(data: Bytes, n_out: int, n_in: int) -> Ints:
    """The inverse of `pack`."""
    field = int(data[0])
    level, behind = unpack_table(data[HEAD:])
    table, stream = read_entries(behind)
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


def steps(levels: Levels) -> float:
    """Weights."""
    return float(levels.size)


HUFFMAN = codec("huffman", pack, unpack, steps)
