# SPDX-License-Identifier: Apache-2.0
"""maxpool, avgpool: the largest or the mean activation of a window (SPEC 5.8 to 5.10)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import multiplier
from exporter.ops.window import Windowed
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.ops.base import Int, Interval

LOWEST = -127  # of all activations


@dataclass(frozen=True, eq=False)
class MaxPool(Windowed):
    """y[y][x][c] = the largest in[...][...][c] of the window's pixels inside the map."""

    kind = "maxpool"
    out_type = "int8_t"

    def reference(self, x: Int) -> Int:
        return np.stack([pixels for _, pixels in self.taps(x, LOWEST)]).max(0)

    def interval(self, x: Interval, layer: str) -> Interval:  # noqa: ARG002
        inputs = self.input_channels(x, zero=False)
        return self.everywhere(inputs.lo, inputs.hi)

    def arguments(self) -> Sequence[str]:
        return ["&{window}"]


def exact_mean(area: int, base: int) -> tuple[int, int, int]:
    """Offset, mul, shift with ((sum + offset) * mul >> shift) - base the mean rounded half up, in unsigned 32 bits.

    For every sum of `area` activations that are at least -base.
    """
    offset = area // 2 + base * area
    if area & (area - 1) == 0:
        return offset, 1, area.bit_length() - 1
    largest = 127 * area + offset
    found = multiplier(area, largest, largest)
    if found is None:
        raise HalfbyteError(
            f"the mean of {area} activations needs more than 32 bits; use a smaller window or a power of two"
        )
    return offset, *found


@dataclass(frozen=True, eq=False)
class AvgPool(Windowed):
    """y[y][x][c] = (((sum + offset) * mul) >> shift) - base, sum over the window, 0 outside the map.

    It is floor((sum + floor(area / 2)) / area) for every sum: the mean, rounded half up.
    """

    kind = "avgpool"
    out_type = "int8_t"

    offset: int
    mul: int
    shift: int
    base: int  # 127 where activations can be negative

    @property
    def is_global(self) -> bool:
        return self.size == self.in_shape[:2] and not any(self.padding)

    def mean(self, total: Int) -> Int:
        """Of sums, elementwise."""
        return ((total + self.offset) * self.mul >> self.shift) - self.base

    def reference(self, x: Int) -> Int:
        return self.mean(reduce(np.add, (pixels for _, pixels in self.taps(x, 0))))

    def interval(self, x: Interval, layer: str) -> Interval:
        inputs = self.input_channels(x, zero=True)
        area = self.size[0] * self.size[1]
        if (inputs.lo < -self.base).any() or ((inputs.hi * area + self.offset) * self.mul >= 2**32).any():
            raise HalfbyteError(f"{layer}: the mean is exact for activations in [{-self.base}, 127] only")
        return self.everywhere(self.mean(inputs.lo * area), self.mean(inputs.hi * area))

    def arguments(self) -> Sequence[str]:
        return ["&{window}", *self.constants()]

    def constants(self) -> Sequence[str]:
        """Offset, mul, shift and base as C constants."""
        return [str(self.offset), f"{self.mul}u", str(self.shift), str(self.base)]
