# SPDX-License-Identifier: Apache-2.0
"""widths: as many bits for a weight as its output channel needs, times a power of two (SPEC 4.10).

What networks need whose number of bits per channel was learned: S. Csefalvay and J. Imber 2023, arXiv 2301.13142.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter.codecs.base import CodecError, codec
from exporter.codecs.bitmask import width_of
from exporter.codecs.bits import read_bits, write_bits

if TYPE_CHECKING:
    from exporter.codecs.base import Bytes, Ints, Levels

MOST = 8  # bits
SHIFT = 4  # bits of a row's head below its shift


def pack(levels: Levels) -> Bytes:
    """(n_out, n_in) levels -> the stream."""
    shifts = shifts_of(levels)
    codes = (levels >> shifts[:, None]).T
    widths = np.array([width_of(row) for row in codes.T], np.int64)
    if widths.max(initial=0) > MOST:
        raise CodecError(f"output {widths.argmax()} needs {widths.max()} bits, it holds {MOST}")
    stream = write_bits(codes.astype(np.int64).ravel(), np.tile(widths, len(codes)))
    return np.concatenate([(shifts << SHIFT | widths).astype(np.uint8), stream])


def shifts_of(levels: Levels) -> Ints:
    """The largest s of each row for which all its levels are multiples of 2^s; 0 of a row of zeros.  # (n_out,)"""
    bits = np.bitwise_or.reduce(levels.astype(np.int64), axis=1, initial=0)
    return np.where(bits == 0, 0, np.log2(np.maximum(bits & -bits, 1)).astype(np.int64))


def unpack(data: Bytes, n_out: int, n_in: int) -> Ints:
    """The inverse of `pack`."""
    head = data[:n_out].astype(np.int64)
    widths, shifts = head & ((1 << SHIFT) - 1), head >> SHIFT
    codes = read_bits(data[n_out:], np.tile(widths, n_in)).reshape(n_in, n_out)
    sign = 1 << widths >> 1
    return (((codes ^ sign) - sign) << shifts).T


def steps(levels: Levels) -> float:
    """Weights of outputs that are not 0; the products of an input take their time, too."""
    return levels.any(axis=1).sum() * levels.shape[1] + 6.0 * levels.shape[1]


WIDTHS = codec("widths", pack, unpack, steps)
