# SPDX-License-Identifier: Apache-2.0
"""Feature maps of different scales into one: residual sums and concatenations, each input with a learned gain."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.errors import HalfbyteError
from training.layers.shapes import Exact
from training.requant import activation_range, round_clamp

SHIFT = 12  # gains are multiples of 2^-SHIFT
GAIN_MAX = 2**15 - 1


class _Merge(Exact):
    """Gains of several inputs, each in [-8, 8) as an int16 in units of 2^-SHIFT."""

    def __init__(self, inputs: int, bits: int, *, signed: bool) -> None:
        super().__init__()
        self.lo, self.hi = activation_range(bits, signed=signed)
        self.gain = nn.Parameter(torch.ones(inputs))

    def extra_repr(self) -> str:
        return f"{len(self.gain)} inputs -> [{self.lo}, {self.hi}]"

    def multipliers(self) -> Tensor:
        """M of every input.  # (inputs,) float64"""
        return torch.floor(self.gain.detach().double() * 2**SHIFT + 0.5).clamp(-GAIN_MAX - 1, GAIN_MAX)

    def _gains(self) -> Tensor:
        """M * 2^-SHIFT, in train() with a gradient to the gains."""
        m = self.multipliers() * 2.0**-SHIFT
        return self.gain + (m.to(self.gain) - self.gain).detach() if self.training else m

    def _rounded(self, z: Tensor) -> Tensor:
        return round_clamp(z, self.lo, self.hi)

    def _check(self, tensors: tuple[Tensor, ...], axis: int | None) -> None:
        """HalfbyteError where there are not as many inputs as gains, or shapes differ in another axis than this."""
        where, shapes = type(self).__name__, [tuple(x.shape) for x in tensors]
        found = " and ".join(map(str, shapes))
        if len(tensors) != len(self.gain):
            raise HalfbyteError(f"{where}: takes {len(self.gain)} inputs, got {len(tensors)}: {found}")
        alike = {tuple(n for i, n in enumerate(shape) if i != axis) for shape in shapes}
        if len(alike) > 1 or min(map(len, shapes)) < 2:
            what = "inputs of one shape" if axis is None else "inputs that differ in their channels alone"
            raise HalfbyteError(f"{where}: takes {what}, got {found}")


class Add(_Merge):
    """The sum of two maps of one shape, each times its gain: (n, ...), (n, ...) -> (n, ...).

    y = clamp(round(a * gain[0] + b * gain[1])) with gains rounded to multiples of 2^-12, half up both.
    """

    def __init__(self, *, bits: int = 8, signed: bool = False) -> None:
        super().__init__(2, bits, signed=signed)

    def compute(self, a: Tensor, b: Tensor) -> Tensor:
        self._check((a, b), None)
        gain_a, gain_b = self._gains().to(a).unbind()
        return self._rounded(a * gain_a + b * gain_b)


class Concat(_Merge):
    """Several maps, each times its gain, along the channels: (n, c1, ...), (n, c2, ...) -> (n, c1 + c2, ...).

    y = clamp(round(x * gain[i])) for input i, rounded as in `Add`.
    """

    def __init__(self, *, bits: int = 8, signed: bool = False, inputs: int = 2) -> None:
        if type(inputs) is not int or inputs < 2:
            raise HalfbyteError(f"Concat: inputs must be a whole number from 2 up, got {inputs!r}")
        super().__init__(inputs, bits, signed=signed)

    def compute(self, *tensors: Tensor) -> Tensor:
        self._check(tensors, 1)
        gains = self._gains().to(tensors[0]).unbind()
        return torch.cat([self._rounded(x * gain) for x, gain in zip(tensors, gains, strict=True)], 1)
