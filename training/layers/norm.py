# SPDX-License-Identifier: Apache-2.0
"""Norms over a whole sample, with an integer root and an integer quotient: exact, at the price of one division."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from training.errors import HalfbyteError
from training.layers.shapes import Exact
from training.requant import activation_range, round_clamp

C_MAX = 2**30  # of the constant, so that every product and sum fits 32 bits (SPEC 5.15, 5.16)
LAYER_MAX = 516  # activations whose n * sum of squares fits 32 bits


class _Norm(Exact):
    """Activations divided by a size of their own.

    unit    activations that stand for 1.0 of the result
    bits    of the result
    signed  result in [-127, 127], otherwise what is below 0 becomes 0
    """

    most: ClassVar[int]

    def __init__(self, *, unit: float = 32.0, bits: int = 8, signed: bool = True) -> None:
        super().__init__()
        if not 0 < unit <= 127:
            raise HalfbyteError(f"{type(self).__name__}: unit must be above 0 and at most 127, got {unit!r}")
        self.unit = float(unit)
        self.lo, self.hi = activation_range(bits, signed=signed)

    def extra_repr(self) -> str:
        return f"unit={self.unit:g}, [{self.lo}, {self.hi}]"

    def constants(self, n: int) -> tuple[int, int]:
        """C and s for samples of n activations: c = round(scale * 2^s) with the largest s that keeps c small."""
        if not 1 <= n <= self.most:
            raise HalfbyteError(f"{type(self).__name__}: takes 1 to {self.most:,} activations, got {n:,}")
        scale, s = self._scale(n), 0
        while s < 30 and scale * 2 ** (s + 1) <= self._c_max(n):
            s += 1
        return int(scale * 2**s + 0.5), s

    def _scale(self, n: int) -> float:
        raise NotImplementedError

    def _c_max(self, n: int) -> float:
        raise NotImplementedError

    def _parts(self, x: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """What is divided, and the square of what it is divided by.  # (n_samples, n), (n_samples, 1)"""
        raise NotImplementedError

    def compute(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        n = flat.shape[1]
        c, s = self.constants(n)
        top, square = self._parts(flat, n)
        if self.training:
            y = top * (self._scale(n) * (square.float() + 1).rsqrt()).to(top)
            return round_clamp(y.view_as(x), self.lo, self.hi)
        root = square.sqrt().floor().clamp_min(1)
        r = torch.floor(c / root)
        half = (1 << s) >> 1
        return torch.floor((top * r + half) * 2.0**-s).clamp(self.lo, self.hi).view_as(x)


class RMSNorm(_Norm):
    """y = x / rms(x) in units of `unit`, over all activations of a sample: (n, ...) -> (n, ...).

    Without learned gains: the next layer's weights take their part (Zhang & Sennrich, arXiv 1910.07467).
    """

    most = 65535

    def _scale(self, n: int) -> float:
        return self.unit * n**0.5

    def _c_max(self, n: int) -> float:  # noqa: ARG002
        return C_MAX

    def _parts(self, x: Tensor, n: int) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        return x, x.square().sum(1, keepdim=True)


class LayerNorm(_Norm):
    """y = (x - mean(x)) / deviation(x) in units of `unit`, over all activations of a sample: (n, ...) -> (n, ...).

    Without learned gains and biases (Ba et al., arXiv 1607.06450).
    """

    most = LAYER_MAX

    def _scale(self, n: int) -> float:  # noqa: ARG002
        return self.unit

    def _c_max(self, n: int) -> float:
        return C_MAX / (2 * n**0.5)

    def _parts(self, x: Tensor, n: int) -> tuple[Tensor, Tensor]:
        total = x.sum(1, keepdim=True)
        return n * x - total, n * x.square().sum(1, keepdim=True) - total.square()
