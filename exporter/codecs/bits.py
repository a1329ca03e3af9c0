# SPDX-License-Identifier: Apache-2.0
"""Streams of bits, the first one highest in the first byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from exporter.codecs.base import Bytes, Ints


def write_bits(values: Ints, widths: Ints) -> Bytes:
    """The lowest bits of value after value, as many as its width says, 0 too.  # (n,), (n,) -> bytes"""
    ends = np.cumsum(widths)
    number = np.repeat(np.arange(len(widths)), widths)  # of the value that a bit is part of
    place = np.repeat(ends, widths) - 1 - np.arange(ends[-1] if len(ends) else 0)
    return np.packbits((values[number] >> place & 1).astype(np.uint8))


def read_bits(data: Bytes, widths: Ints) -> Ints:
    """Values that are never below 0; the inverse of `write_bits`."""
    bits = np.unpackbits(data).astype(np.int64)
    ends = np.cumsum(widths)
    number = np.repeat(np.arange(len(widths)), widths)
    place = np.repeat(ends, widths) - 1 - np.arange(len(number))
    values = np.zeros(len(widths), np.int64)
    np.add.at(values, number, bits[: len(number)] << place)
    return values
