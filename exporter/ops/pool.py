# SPDX-License-Identifier: Apache-2.0
"""maxpool, avgpool: the largest or the mean activation of a window (SPEC 5.8 to 5.10)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import INT32_MAX, multiplier
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

    For every sum of `area` activations that are at least -base. mul and shift are 0 where there are none: a division.
    """
    offset = area // 2 + base * area
    largest = 127 * area + offset
    if largest > INT32_MAX:
        raise HalfbyteError(f"the mean of {area} activations needs more than 32 bits; pool the map first")
    if area & (area - 1) == 0:
        return offset, 1, area.bit_length() - 1
    tightest = (largest + 1) // area * area - 1
    return offset, *(multiplier(area, largest, tightest) or (0, 0))


@dataclass(frozen=True, eq=False)
class AvgPool(Windowed):
    """y[y][x][c] = (((sum + offset) * mul) >> shift) - base, sum over the window, 0 outside the map.

    It is floor((sum + floor(area / 2)) / area) for every sum: the mean, rounded half up. Where mul is 0 there is no
    multiplier for the area, and y[y][x][c] = floor((sum + offset) / area) - base.
    """

    kind = "avgpool"
    out_type = "int8_t"

    offset: int
    mul: int  # 0: divide
    shift: int
    base: int  # 127 where activations can be negative

    @property
    def is_global(self) -> bool:
        return self.size == self.in_shape[:2] and not any(self.padding)

    @property
    def area(self) -> int:
        """Activations of a window, those outside of the map counted."""
        return self.size[0] * self.size[1]

    def kernel(self) -> str:
        return self.by_area("hb_avgpool")

    def by_area(self, kernel: str) -> str:
        """The kernel, or the one that divides, where no multiplier does."""
        return kernel if self.mul else f"{kernel}_divide"

    def mean(self, total: Int) -> Int:
        """Of sums, elementwise."""
        v = total + self.offset
        return (v * self.mul >> self.shift if self.mul else v // self.area) - self.base

    def reference(self, x: Int) -> Int:
        return self.mean(reduce(np.add, (pixels for _, pixels in self.taps(x, 0))))

    def interval(self, x: Interval, layer: str) -> Interval:
        inputs = self.input_channels(x, zero=True)
        largest = inputs.hi * self.area + self.offset  # an int32, and its product a uint32
        if (inputs.lo < -self.base).any() or (inputs.hi > 127).any() or (largest * max(self.mul, 2) >= 2**32).any():
            raise HalfbyteError(f"{layer}: the mean is exact for activations in [{-self.base}, 127] only")
        return self.everywhere(self.mean(inputs.lo * self.area), self.mean(inputs.hi * self.area))

    def arguments(self) -> Sequence[str]:
        return ["&{window}", *self.constants()]

    def constants(self) -> Sequence[str]:
        """Offset, mul, shift (or area) and base as C constants."""
        divisor = [f"{self.mul}u", str(self.shift)] if self.mul else [f"{self.area}u"]
        return [str(self.offset), *divisor, str(self.base)]
