# SPDX-License-Identifier: Apache-2.0
"""maxshift, shift, mulshift: sums to activations (SPEC 5.2-5.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import Int, Interval, Op, Table, half
from training.errors import HalfbyteError
from training.fold import S_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False)
class MaxShift(Op):
    """y[i] = clamp(round_shift(acc[i], s)).

    s is the smallest s >= 0 with (m >> s) <= hi, m the maximum over the tensor of max(acc, 0) if lo = 0, else of |acc|.
    """

    kind = "maxshift"
    out_type = "int8_t"
    in_place = True
    takes_sums = True

    lo: int
    hi: int

    def exponent(self, m: Int) -> Int:
        """S for each maximum."""
        s = np.zeros_like(m)
        while (over := (m >> s) > self.hi).any():
            s += over
        return s

    def reference(self, x: Int) -> Int:
        flat = x.reshape(len(x), -1)
        m = np.maximum(flat, 0).max(axis=1) if self.lo == 0 else np.abs(flat).max(axis=1)
        s = self.exponent(m).reshape(-1, *[1] * (x.ndim - 1))
        return np.clip((x + half(s)) >> s, self.lo, self.hi)

    def interval(self, x: Interval, layer: str) -> Interval:
        largest = half(self.exponent(np.asarray([x.peak])))
        Interval(x.lo, x.hi + largest).check_int32(layer, "a sum plus the rounding half")
        if self.lo < 0:
            Interval(-x.hi, -x.lo).check_int32(layer, "the size of a sum")
        # any element can be the largest of its tensor, or 0: only the sign survives
        return Interval(np.where(x.lo < 0, self.lo, 0), np.where(x.hi > 0, self.hi, 0))

    def arguments(self) -> Sequence[str]:
        return [str(self.lo), str(self.hi), "{n_out}"]


@dataclass(frozen=True, eq=False)
class Shift(Op):
    """y[o] = clamp(round_shift(acc[o] + b[o], s))."""

    kind = "shift"
    out_type = "int8_t"
    in_place = True
    takes_sums = True

    s: int
    lo: int
    hi: int
    b: Int  # (n,)

    def reference(self, x: Int) -> Int:
        return np.clip((x + self.b + half(self.s)) >> self.s, self.lo, self.hi)

    def interval(self, x: Interval, layer: str) -> Interval:
        if not 0 <= self.s <= S_MAX:
            raise HalfbyteError(f"{layer}: shift {self.s} is outside 0 ... {S_MAX}; train again, with smaller sums")
        Interval(self.b, self.b).check_int32(layer, "the bias")
        Interval(x.lo + self.b, x.hi + self.b).check_int32(layer, "a sum plus bias")
        Interval(x.lo + self.b, x.hi + self.b + half(self.s)).check_int32(layer, "a sum plus bias and rounding half")
        return Interval(self.reference(x.lo), self.reference(x.hi))

    def tables(self) -> Sequence[Table]:
        # trained numbers lie in tables, so that the code follows from shapes and formats alone
        return [Table("b", "int32_t", self.b, len(self.b)), Table("s", "uint8_t", np.asarray([self.s]), 1)]

    def arguments(self) -> Sequence[str]:
        return ["{b}", "{s}", str(self.lo), str(self.hi), "{n_out}"]

    def channel_arguments(self) -> Sequence[str]:
        return ["{b}[{o}]", "{s}[0]", str(self.lo), str(self.hi)]


@dataclass(frozen=True, eq=False)
class MulShift(Op):
    """y[o] = clamp((acc[o] * m[o] + b[o]) >> s[o])."""

    kind = "mulshift"
    out_type = "int8_t"
    in_place = True
    takes_sums = True

    lo: int
    hi: int
    m: Int  # (n,)
    b: Int  # (n,)
    s: Int  # (n,)

    def reference(self, x: Int) -> Int:
        return np.clip((x * self.m + self.b) >> self.s, self.lo, self.hi)

    def interval(self, x: Interval, layer: str) -> Interval:
        ends = x.lo * self.m, x.hi * self.m
        low, high = np.minimum(*ends), np.maximum(*ends)
        Interval(low, high).check_int32(layer, "the product sum * m")
        Interval(self.b, self.b).check_int32(layer, "the bias")
        Interval(low + self.b, high + self.b).check_int32(layer, "the product plus bias")
        return Interval(*(np.clip((v + self.b) >> self.s, self.lo, self.hi) for v in (low, high)))

    def tables(self) -> Sequence[Table]:
        return [
            Table("m", "int16_t", self.m, len(self.m)),
            Table("b", "int32_t", self.b, len(self.b)),
            Table("s", "uint8_t", self.s, len(self.s)),
        ]

    def arguments(self) -> Sequence[str]:
        return ["{m}", "{b}", "{s}", str(self.lo), str(self.hi), "{n_out}"]

    def channel_arguments(self) -> Sequence[str]:
        return ["{m} + {o}", "{b} + {o}", "{s} + {o}", str(self.lo), str(self.hi)]
