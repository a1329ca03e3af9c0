# SPDX-License-Identifier: Apache-2.0
"""bitmask: a bit for each weight, and a code for each that is not 0, in columns (SPEC 4.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter.codecs.base import CodecError, codec
from exporter.codecs.bits import read_bits, write_bits
from exporter.codecs.levels import LEVELS, pack_table, table_of, unpack_table

if TYPE_CHECKING:
    from exporter.codecs.base import Bytes, Ints, Levels

OWN = np.array([0, 0, 1], np.uint8)  # a table of no levels: codes are levels themselves
LOW, HIGH = -128, 127  # of codes that are levels themselves


def pack(levels: Levels) -> Bytes:
    """(n_out, n_in) levels -> the stream."""
    columns = levels.T
    masks = np.packbits(columns != 0, axis=1, bitorder="little")
    nonzero = columns[columns != 0]
    found = np.unique(nonzero)
    if len(found) <= LEVELS:
        width = max(1, int(len(found) - 1).bit_length())
        table = table_of(nonzero, 1 << width)
        codes, head = np.searchsorted(table, nonzero), pack_table(table)
    elif found[0] >= LOW and found[-1] <= HIGH:
        width, codes, head = width_of(found), nonzero, OWN
    else:
        raise CodecError(f"{len(found)} distinct levels up to {found[-1]}: a code is one of {LOW} ... {HIGH}")
    stream = write_bits(codes.astype(np.int64), np.full(len(codes), width))
    return np.concatenate([np.array([width], np.uint8), head, masks.ravel(), stream])


def width_of(levels: Levels) -> int:
    """Bits of two's complement that hold them; 0 where all are 0."""
    most = int(np.maximum(levels, ~levels).max(initial=0))
    return most.bit_length() + 1 if np.any(levels) else 0


def unpack(data: Bytes, n_out: int, n_in: int) -> Ints:
    """The inverse of `pack`."""
    width, row = int(data[0]), -(-n_out // 8)
    table, behind = unpack_table(data[1:])
    at = n_in * row
    masks = np.unpackbits(behind[:at].reshape(n_in, row), axis=1, count=n_out, bitorder="little").astype(bool)
    codes = read_bits(behind[at:], np.full(int(masks.sum()), width))
    levels = np.zeros((n_in, n_out), np.int64)
    sign = 1 << (width - 1)
    levels[masks] = table[codes] if len(table) else (codes ^ sign) - sign
    return levels.T


def steps(levels: Levels) -> float:
    """Weights that are not 0; the bits of a mask and the products of an input take their time, too."""
    return np.count_nonzero(levels) + levels.size / 3 + 6 * levels.shape[1]


BITMASK = codec("bitmask", pack, unpack, steps)
