# SPDX-License-Identifier: Apache-2.0
"""add, concat: several maps into one, each brought to the scale of the result (SPEC 5.11, 5.12)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import Int, Interval, Op, Shape, Table, half
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False)
class Add(Op):
    """y[i] = clamp((a[i] * m[0] + b[i] * m[1] + half(s)) >> s)."""

    kind = "add"
    out_type = "int8_t"
    in_place = True
    elementwise = True

    shape: tuple[int, ...]  # of both inputs, in whatever shape they come
    s: int
    lo: int
    hi: int
    m: Int  # (2,)

    def out_shape(self, *shapes: Shape) -> Shape:
        if any(prod(shape) != prod(self.shape) for shape in shapes):
            found = " and ".join(map(str, shapes))
            raise HalfbyteError(
                f"add takes two maps of one shape, but {found} come in; bring one to the other's shape with a "
                "hb.BitConv2d or hb.BitConv1d of stride and channels to fit"
            )
        return self.shape

    def reference(self, a: Int, b: Int) -> Int:
        a, b = (v.reshape(len(v), *self.shape) for v in (a, b))
        return np.clip((a * self.m[0] + b * self.m[1] + half(self.s)) >> self.s, self.lo, self.hi)

    def interval(self, a: Interval, b: Interval, layer: str) -> Interval:
        ends = [
            (v.lo.reshape(self.shape) * m, v.hi.reshape(self.shape) * m) for v, m in zip((a, b), self.m, strict=True)
        ]
        low, high = (sum(pick(*pair) for pair in ends) for pick in (np.minimum, np.maximum))
        Interval(low, high + half(self.s)).check_int32(layer, "the sum plus rounding half")
        return Interval(*(np.clip((v + half(self.s)) >> self.s, self.lo, self.hi) for v in (low, high)))

    def tables(self) -> Sequence[Table]:
        return [Table("m", "int16_t", self.m, len(self.m))]

    def arguments(self) -> Sequence[str]:
        return ["{m}", str(self.s), str(self.lo), str(self.hi), "{n_out}"]


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """Channels of several maps, one map after the other: y = clamp((x * m[k] + half(s)) >> s) of map k."""

    kind = "concat"
    out_type = "int8_t"

    size: tuple[int, ...]  # height and width of all inputs, in whatever shape they come; of vectors, nothing
    s: int
    lo: int
    hi: int
    m: Int  # one for each input

    def out_shape(self, *shapes: Shape) -> Shape:
        if any(prod(shape) % prod(self.size) for shape in shapes):
            found = " and ".join(map(str, shapes))
            raise HalfbyteError(
                f"concat takes maps of {self.size}, but {found} come in; bring them to it by stride or pooling"
            )
        return (*self.size, sum(prod(shape) // prod(self.size) for shape in shapes))

    def scaled(self, x: Int, m: Int) -> Int:
        """One input on the scale of the result."""
        return np.clip((x * m + half(self.s)) >> self.s, self.lo, self.hi)

    def reference(self, *x: Int) -> Int:
        maps = [v.reshape(len(v), *self.size, -1) for v in x]
        return np.concatenate([self.scaled(v, m) for v, m in zip(maps, self.m, strict=True)], axis=-1)

    def interval(self, *args: Interval | str) -> Interval:
        inputs = [v for v in args if isinstance(v, Interval)]
        maps = [(v.lo.reshape(*self.size, -1), v.hi.reshape(*self.size, -1)) for v in inputs]
        ends = [(self.scaled(lo, m), self.scaled(hi, m)) for (lo, hi), m in zip(maps, self.m, strict=True)]
        return Interval(*(np.concatenate([pick(*pair) for pair in ends], axis=-1) for pick in (np.minimum, np.maximum)))

    def tables(self) -> Sequence[Table]:
        return [Table("m", "int16_t", self.m, len(self.m))]
