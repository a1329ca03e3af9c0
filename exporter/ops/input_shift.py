# SPDX-License-Identifier: Apache-2.0
"""input_shift: raw values to activations (SPEC 2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import Int, Interval, Op

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
        return Interval(self.reference(x.lo), self.reference(x.hi))

    def kernel(self) -> str:
        return f"hb_{self.kind}_{SUFFIX[self.dtype]}"

    def arguments(self) -> Sequence[str]:
        return [str(v) for v in (self.offset, self.shift, self.lo, self.hi, "{n_out}")]
