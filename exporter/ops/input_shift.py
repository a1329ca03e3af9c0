# SPDX-License-Identifier: Apache-2.0
"""input_shift, input_planes: raw values to activations (SPEC 2.2, 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import Int, Interval, Op, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIX = {"uint8": "u8", "int8": "i8", "int16": "i16"}


@dataclass(frozen=True, eq=False)
class InputShift(Op):
    """y[i] = clamp((x[i] + offset) >> shift)."""

    kind = "input_shift"
    out_type = "int8_t"
    raw = True
    in_place = True

    dtype: str
    offset: int
    shift: int
    lo: int
    hi: int

    def reference(self, x: Int) -> Int:
        return np.clip((x + self.offset) >> self.shift, self.lo, self.hi)

    def interval(self, x: Interval, layer: str) -> Interval:
        Interval(x.lo + self.offset, x.hi + self.offset).check_int32(layer, "value plus offset")
        return Interval(*(InputShift.reference(self, v) for v in (x.lo, x.hi)))

    def kernel(self) -> str:
        return f"hb_{self.kind}_{SUFFIX[self.dtype]}"

    def arguments(self) -> Sequence[str]:
        return [str(v) for v in (self.offset, self.shift, self.lo, self.hi, "{n_out}")]


@dataclass(frozen=True, eq=False)
class InputPlanes(InputShift):
    """y[p][c] = clamp((x[c][p] + offset) >> shift): as input_shift, and the planes become the channels of a map."""

    kind = "input_planes"
    in_place = False

    def out_shape(self, *shapes: Shape) -> Shape:
        channels, *size = shapes[0]
        return (*size, *[1] * (2 - len(size)), channels)

    def reference(self, x: Int) -> Int:
        return np.stack([self._to_map(planes) for planes in super().reference(x)])

    def interval(self, x: Interval, layer: str) -> Interval:
        planes = super().interval(x, layer)
        return Interval(self._to_map(planes.lo), self._to_map(planes.hi))

    def _to_map(self, planes: Int) -> Int:
        return np.moveaxis(planes, 0, -1).reshape(self.out_shape(planes.shape))

    def arguments(self) -> Sequence[str]:
        return [*(str(v) for v in (self.offset, self.shift, self.lo, self.hi)), "{n_pixels}", "{channels}"]
