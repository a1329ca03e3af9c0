# SPDX-License-Identifier: Apache-2.0
"""linear: a matrix of quantized weights times a vector of activations (SPEC 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import Int, Interval, Op, Shape, Table
from exporter.pack import pack
from training.formats import get_format

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False)
class Linear(Op):
    """y[o] = sum over i of w[o][i] * x[i], w levels of the format."""

    kind = "linear"
    out_type = "int32_t"

    format: str
    w: Int  # (n_out, n_in) levels

    def out_shape(self, *shapes: Shape) -> Shape:  # noqa: ARG002
        return (len(self.w),)

    def reference(self, x: Int) -> Int:
        return x.reshape(len(x), -1) @ self.w.T

    def interval(self, x: Interval, layer: str) -> Interval:
        ends = self.w * x.lo.reshape(-1), self.w * x.hi.reshape(-1)  # (n_out, n_in) each
        low = np.minimum(np.minimum(*ends), 0).sum(axis=1)
        high = np.maximum(np.maximum(*ends), 0).sum(axis=1)
        return Interval(low, high).check_int32(layer, "a partial sum")

    def tables(self) -> Sequence[Table]:
        return [Table("w", "uint8_t", pack(get_format(self.format), self.w), self.w.size)]

    def kernel(self) -> str:
        return f"hb_{self.kind}_{self.format}"

    def arguments(self) -> Sequence[str]:
        return ["{w}", "{n_in}", "{n_out}"]

    def format_name(self) -> str:
        return self.format
