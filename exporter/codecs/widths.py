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
    head = [_head(o, row) for o, row in enumerate(levels)]
    widths, shifts = (np.array(part, np.int64) for part in zip(*head, strict=True)) if head else (NONE, NONE)
    codes = (levels >> shifts[:, None]).T
    stream = write_bits(codes.astype(np.int64).ravel(), np.tile(widths, len(codes)))
    return np.concatenate([(shifts << SHIFT | widths).astype(np.uint8), stream])


def _head(o: int, row: Levels) -> tuple[int, int]:
    """Width and shift of a row."""
    bits = int(np.bitwise_or.reduce(row, initial=0))
    shift = (bits & -bits).bit_length() - 1 if bits else 0
    width = width_of(row >> shift)
    if width > MOST:
        raise CodecError(f"output {o} needs {width} bits, it holds {MOST}")
    return width, shift


def unpack(data: Bytes, n_out: int, n_in: int) -> Ints:
    """The inverse of `pack`."""
    head = data[:n_out].astype(np.int64)
    widths, shifts = head & ((1 << SHIFT) - 1), head >> SHIFT
    codes = read_bits(data[n_out:], np.tile(widths, n_in)).reshape(n_in, n_out)
    sign = 1 << widths >> 1
    return (((codes ^ sign) - sign) << shifts).T


NONE = np.zeros(0, np.int64)


def steps(levels: Levels) -> float:
    """Weights of outputs that are not 0; the products of an input take their time, too."""
    return levels.any(axis=1).sum() * levels.shape[1] + 6.0 * levels.shape[1]


WIDTHS = codec("widths", pack, unpack, steps)
