# SPDX-License-Identifier: Apache-2.0
"""Pointwise functions of 8-bit activations, each a table of every value it can take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from training.errors import HalfbyteError
from training.layers.shapes import Exact
from training.requant import activation_range, round_clamp

if TYPE_CHECKING:
    from collections.abc import Callable


SLACK = 2.0**-32  # a half is a half even where another CPU's last bit is below it


class _Function(NamedTuple):
    of: Callable[[Tensor], Tensor]
    signed: bool  # has it values below zero?
    bounded: bool  # are its values in [-1, 1]?


FUNCTIONS: dict[str, _Function] = {
    "elu": _Function(functional.elu, signed=True, bounded=False),
    "gelu": _Function(functional.gelu, signed=True, bounded=False),
    "hardsigmoid": _Function(functional.hardsigmoid, signed=False, bounded=True),
    "hardswish": _Function(functional.hardswish, signed=True, bounded=False),
    "hardtanh": _Function(functional.hardtanh, signed=True, bounded=True),
    "leaky_relu": _Function(functional.leaky_relu, signed=True, bounded=False),
    "mish": _Function(functional.mish, signed=True, bounded=False),
    "relu6": _Function(functional.relu6, signed=False, bounded=False),
    "sigmoid": _Function(torch.sigmoid, signed=False, bounded=True),
    "silu": _Function(functional.silu, signed=True, bounded=False),
    "softplus": _Function(functional.softplus, signed=False, bounded=False),
    "tanh": _Function(torch.tanh, signed=True, bounded=True),
}


class Activation(Exact):
    """y = clamp(round(f(x / unit_in) * unit_out)) for activations x, one by one, any shape.

    function    name of f, one of FUNCTIONS
    unit_in     activations that stand for 1.0 of x
    unit_out    activations that stand for 1.0 of y; default: 127 where f stays in [-1, 1], else unit_in
    signed_in   x in [-127, 127], otherwise [0, 127]
    signed_out  y in [-127, 127], otherwise [0, 127]; default: where f has values below zero
    """

    def __init__(
        self,
        function: str,
        *,
        unit_in: float,
        unit_out: float | None = None,
        signed_in: bool = True,
        signed_out: bool | None = None,
    ) -> None:
        super().__init__()
        if function not in FUNCTIONS:
            raise HalfbyteError(f"Activation: function must be one of {', '.join(FUNCTIONS)}, got '{function}'")
        known = FUNCTIONS[function]
        if unit_out is None:
            unit_out = 127 if known.bounded else unit_in
        for what, unit in (("unit_in", unit_in), ("unit_out", unit_out)):
            if not (math.isfinite(unit) and unit > 0):
                raise HalfbyteError(f"Activation: {what} must be a positive number, got {unit!r}")
        self.function, self.unit_in, self.unit_out = function, float(unit_in), float(unit_out)
        self.in_lo, self.in_hi = activation_range(8, signed=signed_in)
        self.lo, self.hi = activation_range(8, signed=known.signed if signed_out is None else signed_out)

    def extra_repr(self) -> str:
        units = f"unit_in={self.unit_in:g}, unit_out={self.unit_out:g}"
        return f"{self.function}, {units}, [{self.in_lo}, {self.in_hi}] -> [{self.lo}, {self.hi}]"

    def _real(self, x: Tensor) -> Tensor:
        return FUNCTIONS[self.function].of(x / self.unit_in) * self.unit_out

    def table(self) -> Tensor:
        """Y of every x from in_lo to in_hi, on the CPU and in double precision.  # (in_hi - in_lo + 1,) int8"""
        x = torch.arange(self.in_lo, self.in_hi + 1, dtype=torch.float64)
        return torch.floor(self._real(x) + 0.5 + SLACK).clamp(self.lo, self.hi).to(torch.int8)

    def compute(self, x: Tensor) -> Tensor:
        if self.training:
            return round_clamp(self._real(x), self.lo, self.hi)
        if x.numel() and not self.in_lo <= float(x.min()) <= float(x.max()) <= self.in_hi:
            low, high = int(x.min()), int(x.max())
            raise HalfbyteError(
                f"Activation: takes {self.in_lo} to {self.in_hi}, got {low} to {high}; see signed_in, and the "
                "requantizer in front"
            )
        return self.table().to(x)[(x - self.in_lo).long()]
