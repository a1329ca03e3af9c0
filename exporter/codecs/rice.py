# SPDX-License-Identifier: Apache-2.0
"""rice: how many zeros are in front of each weight that is not 0, and a Huffman code of that weight (SPEC 4.11).

Gaps are coded as by R. F. Rice 1979: a quotient in ones, and the remainder of a division by 2^k in k bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter.codecs.base import CodecError, codec
from exporter.codecs.bits import write_bits
from exporter.codecs.huffman import BEHIND, LONGEST, MOST, codes_of, read_entries
from exporter.codecs.levels import pack_table, table_of, unpack_table
from exporter.codecs.widths import shifts_of

if TYPE_CHECKING:
    from exporter.codecs.base import Bytes, Ints, Levels

HEAD = 4  # bytes in front of the levels
REMAINDER = 7  # bits at most
ONES = 40  # of a gap at most
SHIFTED = 8  # beside k in the head: outputs have shifts


def pack(levels: Levels) -> Bytes:
    """(n_out, n_in) levels -> the stream; with a shift for every output where that makes it shorter."""
    shifts = shifts_of(levels)
    ways = [np.zeros_like(shifts), shifts] if shifts.any() else [shifts]
    made = []
    for way in ways:
        try:
            made.append(_pack(levels >> way[:, None], way))
        except CodecError:
            if way is ways[-1] and not made:
                raise
    return min(made, key=len)


def _pack(levels: Levels, shifts: Ints) -> Bytes:
    column, at = np.nonzero(levels.T)
    weights = levels.T[column, at]
    found = table_of(weights)
    symbols = np.searchsorted(found, weights)
    order, bits, code = codes_of(np.bincount(symbols, minlength=len(found)))
    before = np.where(np.diff(column, prepend=-1) > 0, -1, np.roll(at, 1))  # the weight in front, in its column
    gaps = at - before - 1
    k = _remainder(gaps)
    ones = gaps >> k
    widths = np.stack([ones + 1, np.full_like(gaps, k), bits[symbols]], axis=1)
    values = np.stack([(2 << ones) - 2, gaps & ((1 << k) - 1), code[symbols]], axis=1)
    n_in = levels.shape[1]
    columns = np.bincount(column, widths.sum(axis=1), n_in).astype(np.int64)
    least = int(columns.min(initial=MOST)) if n_in else 0
    if max(columns.max(initial=0), least) > MOST:
        raise CodecError(f"a column of {columns.max()} bits, a field says {MOST} at most")
    field = int((columns - least).max(initial=0)).bit_length()
    begins = 3 * np.searchsorted(column, np.arange(n_in))  # a field stands in front of its column
    stream = write_bits(np.insert(values, begins, columns - least), np.insert(widths, begins, field))
    shifted = bool(shifts.any())
    head = np.array([field, least & 255, least >> 8, SHIFTED * shifted | k, *shifts[: len(shifts) * shifted]], np.uint8)
    entries = (order << 3 | bits[order]).astype(np.uint8)
    return np.concatenate([head, pack_table(found), entries, stream, np.zeros(BEHIND, np.uint8)])


def _remainder(gaps: Ints) -> int:
    """The k that takes the fewest bits."""
    able = [k for k in range(REMAINDER + 1) if (gaps >> k).max(initial=0) <= ONES]
    if not able:
        raise CodecError(f"{gaps.max()} weights of 0 in a row, a gap is {(ONES + 1 << REMAINDER) - 1} at most")
    return min(able, key=lambda k: int((gaps >> k).sum()) + k * len(gaps))


def unpack(data: Bytes, n_out: int, n_in: int) -> Ints:
    """The inverse of `pack`."""
    field, least, k = int(data[0]), int(data[1]) | int(data[2]) << 8, int(data[3]) & ~SHIFTED
    n_shifts = n_out if data[3] & SHIFTED else 0
    level, behind = unpack_table(data[HEAD + n_shifts :])
    table, stream = read_entries(behind)
    bits = "".join(map(str, stream))
    levels = np.zeros((n_in, n_out), np.int64)
    at = 0
    for column in levels:
        end = at + field + least + int(bits[at : at + field] or "0", 2)
        at, output = at + field, 0
        while at < end:
            zero = bits.index("0", at)
            output += (zero - at << k) + int(bits[zero + 1 : zero + 1 + k] or "0", 2)
            entry = int(table[int(bits[zero + 1 + k : zero + 1 + k + LONGEST], 2)])
            column[output] = level[entry >> 3]
            at, output = zero + 1 + k + (entry & 7), output + 1
    return levels.T << (data[HEAD : HEAD + n_out].astype(np.int64)[:, None] if n_shifts else 0)


def steps(levels: Levels) -> float:
    """Weights that are not 0; the products of an input take their time, too."""
    return np.count_nonzero(levels) + 6.0 * levels.shape[1]


RICE = codec("rice", pack, unpack, steps)
