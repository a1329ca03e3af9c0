# SPDX-License-Identifier: Apache-2.0
"""resize_area: a uint8 image to another size (SPEC 2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import Int, Interval, Op, Shape, multiplier
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Sequence


def overlaps(n_in: int, n_out: int) -> Int:
    """Parts of 1/(n_out/g) input rows, g = gcd, by which output row o covers input row i.  # (n_out, n_in)"""
    g = gcd(n_in, n_out)
    owner = np.repeat(np.arange(n_in), n_out // g)  # input row of every part  # (n_in * n_out / g,)
    return np.stack([np.bincount(part, minlength=n_in) for part in owner.reshape(n_out, n_in // g)])


def reciprocal(area: int) -> tuple[int, int]:
    """mul, shift with (sum * mul) >> shift == sum // area for every sum in 0 .. 255 * area, in 32 bits."""
    found = multiplier(area, 255 * area, 255 * area - 1)
    if found is None:
        raise HalfbyteError(
            f"resize by area of {area} parts needs more than 32 bits; choose sizes with a common factor"
        )
    return found


@dataclass(frozen=True, eq=False)
class ResizeArea(Op):
    """y[oy][ox] = floor(sum over i, j of ry[oy][i] * cx[ox][j] * x[i][j] / area), floor by (sum * mul) >> shift."""

    kind = "resize_area"
    out_type = "uint8_t"
    raw = True

    in_size: tuple[int, ...]  # height, width
    out_size: tuple[int, ...]
    mul: int
    shift: int

    def out_shape(self, *shapes: Shape) -> Shape:
        return (*shapes[0][:-2], *self.out_size)

    def reference(self, x: Int) -> Int:
        rows, cols = (overlaps(n, m) for n, m in zip(self.in_size, self.out_size, strict=True))
        return ((rows @ x @ cols.T) * self.mul) >> self.shift

    def interval(self, x: Interval, layer: str) -> Interval:  # noqa: ARG002 (the reciprocal was proved when made)
        shape = self.out_shape(x.lo.shape)
        return Interval(np.zeros(shape, np.int64), np.full(shape, 255, np.int64))

    def arguments(self) -> Sequence[str]:
        return [str(v) for v in (*self.in_size, *self.out_size, self.mul, self.shift)]
