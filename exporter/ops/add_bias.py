# SPDX-License-Identifier: Apache-2.0
"""add_bias: the bias of the scores (SPEC 5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.ops.base import Int, Interval, Op, Table

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False)
class AddBias(Op):
    """y[o] = acc[o] + b[o]."""

    kind = "add_bias"
    out_type = "int32_t"
    in_place = True
    takes_sums = True

    b: Int  # (n,)

    def reference(self, x: Int) -> Int:
        return x + self.b

    def interval(self, x: Interval, layer: str) -> Interval:
        Interval(self.b, self.b).check_int32(layer, "the bias")
        return Interval(x.lo + self.b, x.hi + self.b).check_int32(layer, "a score plus bias")

    def tables(self) -> Sequence[Table]:
        return [Table("b", "int32_t", self.b, len(self.b))]

    def arguments(self) -> Sequence[str]:
        return ["{b}", "{n_out}"]
