# SPDX-License-Identifier: Apache-2.0
"""rmsnorm, layernorm: activations over the size of their tensor (SPEC 5.15, 5.16)."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import Int, Interval, Op, half

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False)
class RMSNorm(Op):
    """y[i] = clamp((x[i] * r + half(s)) >> s), r = floor(c / max(floor(sqrt(sum of x[i]^2)), 1)).

    |x[i]| is at most the root, so |x[i] * r| <= c.
    """

    kind = "rmsnorm"
    out_type = "int8_t"
    in_place = True

    c: int
    s: int
    lo: int
    hi: int

    def parts(self, x: Int) -> tuple[Int, Int]:
        """What is divided, and the square of what it is divided by.  # (n_samples, n), (n_samples,)"""
        return x, (x * x).sum(axis=1)

    def reference(self, x: Int) -> Int:
        top, square = self.parts(x.reshape(len(x), -1))
        r = np.asarray([self.c // max(isqrt(int(v)), 1) for v in square], np.int64)
        return np.clip((top * r[:, None] + half(self.s)) >> self.s, self.lo, self.hi).reshape(x.shape)

    def interval(self, x: Interval, layer: str) -> Interval:
        square = np.maximum(x.lo**2, x.hi**2).sum()
        Interval(np.asarray([0]), np.asarray([square])).check_int32(layer, "the sum of squares")
        Interval(np.asarray([0]), np.asarray([self.c + half(self.s)])).check_int32(layer, "a product")
        return Interval(np.where(x.lo < 0, self.lo, 0), np.where(x.hi > 0, self.hi, 0))

    def arguments(self) -> Sequence[str]:
        return [str(self.c), str(self.s), str(self.lo), str(self.hi), "{n_out}"]


@dataclass(frozen=True, eq=False)
class LayerNorm(RMSNorm):
    """As rmsnorm, of d[i] = n * x[i] - sum of x in place of x[i], over sqrt(n * sum of x[i]^2 - (sum of x[i])^2).

    |d[i]| <= sqrt(n) times that root before it is rounded down, so |d[i] * r| <= 2 * sqrt(n) * c.
    """

    kind = "layernorm"

    def parts(self, x: Int) -> tuple[Int, Int]:
        n, total = x.shape[1], x.sum(axis=1)
        return n * x - total[:, None], n * (x * x).sum(axis=1) - total * total

    def interval(self, x: Interval, layer: str) -> Interval:
        n = x.lo.size
        square = n * np.maximum(x.lo**2, x.hi**2).sum()
        Interval(np.asarray([0]), np.asarray([square >> 1])).check_int32(layer, "half of n times the sum of squares")
        product = isqrt(4 * n) * self.c + self.c + half(self.s)
        Interval(np.asarray([0]), np.asarray([product])).check_int32(layer, "a product")
        return Interval(np.full_like(x.lo, self.lo), np.full_like(x.hi, self.hi))
