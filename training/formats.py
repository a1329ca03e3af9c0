# SPDX-License-Identifier: Apache-2.0
"""Weight formats: which integer levels a weight can take and which code stands for each (SPEC 3).

A format says nothing about how codes lie in memory; that is a layout (`exporter/pack.py`). A new format is one
entry in FORMATS, one packer there if its codes do not fill a fixed number of bits, and one kernel file in `firmware/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from training.errors import HalfbyteError

SPEC_VERSION = 1  # of SPEC.md: any change to an integer is a new one
RAW_TYPES = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767)}  # what can enter a network (SPEC 2)


@dataclass(frozen=True)
class Format:
    """A finite set of integer weights.

    name    as it stands in recipes, graphs and C function names
    bits    bits a packed weight takes, on average (ternary: 1.6)
    levels  the integers the kernel multiplies by, ascending
    codes   the code that stands for each level, in the same order
    """

    name: str
    bits: float
    levels: tuple[int, ...]
    codes: tuple[int, ...]

    @property
    def max_level(self) -> int:
        """Largest absolute level."""
        return max(-self.levels[0], self.levels[-1])

    @cached_property
    def level_of_code(self) -> npt.NDArray[np.int16]:
        """Level by code; codes that stand for nothing hold 0.  # (max code + 1,)"""
        table = np.zeros(max(self.codes) + 1, np.int16)
        table[list(self.codes)] = self.levels
        return table

    @cached_property
    def boundaries(self) -> npt.NDArray[np.float64]:
        """Midpoints between neighbouring levels: a value on one belongs to the higher level.  # (n_levels - 1,)"""
        levels = np.asarray(self.levels, np.float64)
        return (levels[1:] + levels[:-1]) / 2

    @cached_property
    def step(self) -> int | None:
        """Distance between neighbouring levels, None where it varies."""
        steps = set(np.diff(self.levels).tolist())
        return steps.pop() if len(steps) == 1 else None

    def code_of_level(self, levels: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
        """Codes of an array of levels, same shape; HalfbyteError where a value is not a level of this format."""
        table = np.asarray(self.levels)
        index = np.clip(np.searchsorted(table, levels), 0, len(table) - 1)
        if not np.array_equal(table[index], levels):
            wrong = np.asarray(levels)[table[index] != levels].flat[0]
            raise HalfbyteError(f"{wrong} is not a level of {self.name}; its levels are {self.levels}")
        return np.asarray(self.codes, np.uint8)[index]


def _odd(name: str, bits: int) -> Format:
    """All 2^bits odd integers around 0; level = 2 * code - (2^bits - 1)."""
    count = 1 << bits
    return Format(name, bits, tuple(2 * code - (count - 1) for code in range(count)), tuple(range(count)))


def _shift4() -> Format:
    """Powers of two +-2^0 ... +-2^7: bit 3 of the code is the sign, bits 2..0 the exponent (FP1.3.0)."""
    negative = [(-(1 << exponent), 8 | exponent) for exponent in reversed(range(8))]
    positive = [(1 << exponent, exponent) for exponent in range(8)]
    levels, codes = zip(*(negative + positive), strict=True)
    return Format("shift4", 4, levels, codes)


# The 16 NormalFloat levels (Dettmers et al. 2023, arXiv 2305.14314), times 127, rounded to the nearest integer.
_NF4 = (-127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127)

FORMATS: dict[str, Format] = {
    fmt.name: fmt
    for fmt in (
        _odd("binary", 1),
        Format("ternary", 1.6, (-1, 0, 1), (0, 1, 2)),
        _odd("sym2", 2),
        _odd("sym4", 4),
        Format("int4", 4, tuple(range(-8, 8)), tuple(range(16))),
        _shift4(),
        Format("nf4", 4, _NF4, tuple(range(16))),
        _odd("sym5", 5),
        Format("int8", 8, tuple(range(-127, 128)), tuple(level & 0xFF for level in range(-127, 128))),
    )
}


def get_format(name: str) -> Format:
    """The format of that name; HalfbyteError lists the names there are."""
    try:
        return FORMATS[name]
    except KeyError:
        raise HalfbyteError(f"unknown weight format '{name}'; there are {', '.join(FORMATS)}") from None
