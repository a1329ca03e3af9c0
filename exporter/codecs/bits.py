# SPDX-License-Identifier: Apache-2.0
"""Streams of bits, the first one highest in the first byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Ints = npt.NDArray[np.int64]


def write_bits(values: Ints, widths: Ints) -> npt.NDArray[np.uint8]:
    """The bits of value after value, each of its own width (0 too), highest bit first.  # (n,), (n,) -> (bits,)"""
    ends = np.cumsum(widths)
    number = np.repeat(np.arange(len(widths)), widths)  # of the value that a bit is part of
    place = np.repeat(ends, widths) - 1 - np.arange(ends[-1] if len(ends) else 0)
    return (values[number] >> place & 1).astype(np.uint8)
