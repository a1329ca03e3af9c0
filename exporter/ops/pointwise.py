# SPDX-License-Identifier: Apache-2.0
"""lookup, clip: functions of one activation (SPEC 5.13, 5.14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import Int, Interval, Op, Table
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False)
class Lookup(Op):
    """y[i] = table[x[i] - lo]."""

    kind = "lookup"
    out_type = "int8_t"
    in_place = True
    elementwise = True

    lo: int
    table: Int  # one entry for each activation that can come in

    def reference(self, x: Int) -> Int:
        return self.table[x - self.lo]

    def interval(self, x: Interval, layer: str) -> Interval:
        if x.lo.min() < self.lo or x.hi.max() >= self.lo + len(self.table):
            takes, found = f"[{self.lo}, {self.lo + len(self.table) - 1}]", f"[{x.lo.min()}, {x.hi.max()}]"
            raise HalfbyteError(f"{layer}: the table is for activations in {takes}, but {found} come in; see signed_in")
        # between any two activations the function may turn, so: the ends over the widest input of all elements
        reached = self.table[x.lo.min() - self.lo : x.hi.max() - self.lo + 1]
        return Interval(np.full_like(x.lo, reached.min()), np.full_like(x.hi, reached.max()))

    def tables(self) -> Sequence[Table]:
        return [Table("table", "int8_t", self.table, len(self.table))]

    def arguments(self) -> Sequence[str]:
        return ["{table}", str(self.lo), "{n_out}"]


@dataclass(frozen=True, eq=False)
class Clip(Op):
    """y[i] = clamp(x[i])."""

    kind = "clip"
    out_type = "int8_t"
    in_place = True
    elementwise = True

    lo: int
    hi: int

    def reference(self, x: Int) -> Int:
        return np.clip(x, self.lo, self.hi)

    def interval(self, x: Interval, layer: str) -> Interval:  # noqa: ARG002
        return Interval(np.clip(x.lo, self.lo, self.hi), np.clip(x.hi, self.lo, self.hi))

    def arguments(self) -> Sequence[str]:
        return [str(self.lo), str(self.hi), "{n_out}"]
