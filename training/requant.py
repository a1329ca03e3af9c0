# SPDX-License-Identifier: Apache-2.0
"""Requantizers: sums to activations (SPEC 5.2-5.4), exact in eval(), with a straight-through gradient in train().

Each is a module called with the sums `acc` (n, channels, ...) and, in eval(), `acc_max`: the largest |acc| of every
channel, from the layer's real weights. Forward is the integer result in both modes; only batch statistics differ.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from training.batchnorm import EPSILON, grad_inside, normalize_round_clamp
from training.fold import fold_mulshift

MOMENTUM = 0.1  # weight of a batch in the running statistics
NORMS = ("none", "rms", "l1", "layer", "batch")


def activation_range(bits: int, *, signed: bool) -> tuple[int, int]:
    """(lo, hi) of an activation tensor: 8 bits are 127 at most, 4 bits 15; signed ones reach as far below zero."""
    hi = {8: 127, 4: 15}[bits]
    return (-hi if signed else 0), hi


def maxshift_exponent(m: Tensor, hi: int) -> Tensor:
    """Smallest s >= 0 with (m >> s) <= hi, for hi + 1 a power of two; exact, since frexp is."""
    return torch.frexp(m / (hi + 1)).exponent.clamp_min(0)


class _MaxShiftFunction(torch.autograd.Function):
    """maxshift forward; backward through acc * 2^-s, with the part along the norm's radius removed.

    A norm divides the sums of one sample by one number. maxshift does that anyhow, so the norm shows in the gradient
    alone: g - a * <g, a> / <a, a> for RMS, g - sign(a) * <g, a> / sum|a| for L1.
    """

    @staticmethod
    def forward(ctx: Any, acc: Tensor, lo: int, hi: int, norm: str) -> Tensor:  # noqa: ANN401
        flat = acc.flatten(1)
        m = flat.abs().amax(1) if lo < 0 else flat.amax(1).clamp_min(0)
        step = torch.ldexp(torch.ones_like(m), -maxshift_exponent(m, hi))
        step = step.view(-1, *[1] * (acc.dim() - 1))
        y = (acc * step + 0.5).floor_().clamp_(lo, hi)
        ctx.save_for_backward(acc, step)
        ctx.lo, ctx.norm = lo, norm
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        acc, step = ctx.saved_tensors
        grad = grad * step
        if ctx.lo == 0:
            grad = grad * (acc > 0)
        dims = tuple(range(1, acc.dim()))
        if ctx.norm in ("rms", "l1"):
            radius = acc if ctx.norm == "rms" else acc.sign()
            along = (grad * acc).sum(dims, keepdim=True) / (radius * acc).sum(dims, keepdim=True).clamp_min(1)
            grad = grad - radius * along
        elif ctx.norm == "layer":
            grad = grad - grad.mean(dims, keepdim=True)
        return grad, None, None, None


class _RoundClamp(torch.autograd.Function):
    """floor(z + 1/2) clamped to [lo, hi]; gradient 1 where z was inside, 0 where it was clamped."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, lo: int, hi: int) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(z)
        ctx.lo, ctx.hi = lo, hi
        return (z + 0.5).floor_().clamp_(lo, hi)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (z,) = ctx.saved_tensors
        return grad_inside(grad, z, ctx.lo, ctx.hi), None, None


def round_clamp(z: Tensor, lo: int, hi: int) -> Tensor:
    """floor(z + 1/2) clamped to [lo, hi], with a gradient where it is not clamped."""
    return _RoundClamp.apply(z, lo, hi)  # type: ignore[no-untyped-call]


def _per_channel(v: Tensor, acc: Tensor) -> Tensor:
    """(channels,) shaped to broadcast over acc (n, channels, ...)."""
    return v.view(-1, *[1] * (acc.dim() - 2))


class Requant(nn.Module):
    """What the three requantizers share: an activation range and the norms they can deploy."""

    kind: ClassVar[str]
    deploys: ClassVar[tuple[str, ...]]  # norms with an exact integer form; others train, and are refused at export
    frozen: Tensor  # do ranges that follow the data stay as they are?
    per_channel_scale: ClassVar[bool] = False  # may the weights in front have a scale for every output channel?

    def __init__(self, channels: int, *, bits: int = 8, signed: bool = False, norm: str = "none") -> None:
        super().__init__()
        self.channels, self.bits, self.signed, self.norm = channels, bits, signed, norm
        self.lo, self.hi = activation_range(bits, signed=signed)
        self.register_buffer("frozen", torch.tensor(False))  # noqa: FBT003

    def rescale(self, ratio: Tensor) -> None:
        """Make of sums that are now `ratio` times as large the activations there were.  # (channels,)"""

    def extra_repr(self) -> str:
        return f"[{self.lo}, {self.hi}], norm={self.norm}"


class MaxShift(Requant):
    """Scale every sample by the power of two that its own maximum asks for (SPEC 5.2). No parameters."""

    kind = "maxshift"
    deploys = ("none", "rms", "l1")

    def forward(self, acc: Tensor, acc_max: Tensor | None) -> Tensor:  # noqa: ARG002
        return _MaxShiftFunction.apply(acc, self.lo, self.hi, self.norm)  # type: ignore[no-untyped-call]


class Shift(Requant):
    """One power of two for the layer, followed in training and frozen with the clip scales (SPEC 5.3).

    bias         in units of output activations  # (channels,)
    running_max  mean over samples of the largest sum, exponentially averaged
    """

    kind = "shift"
    deploys = ("none",)
    running_max: Tensor

    def __init__(self, channels: int, *, typical: float, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(channels, **kwargs)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_max", torch.tensor(3.0 * typical))

    def exponent(self) -> int:
        """The layer's shift s."""
        return int(maxshift_exponent(self.running_max, self.hi))

    def bias_integers(self) -> Tensor:
        """b, in units of sums: the bias times 2^s, rounded half up.  # (channels,) float64"""
        return torch.floor(self.bias.detach().double() * 2.0 ** self.exponent() + 0.5)

    @torch.no_grad()
    def rescale(self, ratio: Tensor) -> None:
        self.running_max *= ratio.mean()

    def forward(self, acc: Tensor, acc_max: Tensor | None) -> Tensor:  # noqa: ARG002
        if self.training and not self.frozen:
            self._follow(acc.detach())
        step = 2.0 ** -self.exponent()
        if self.training:
            b = self.bias + (self.bias_integers().to(acc) * step - self.bias).detach()
            return round_clamp(acc * step + _per_channel(b, acc), self.lo, self.hi)
        z = (acc + _per_channel(self.bias_integers(), acc)) * step
        return torch.floor(z + 0.5).clamp(self.lo, self.hi)

    def _follow(self, acc: Tensor) -> None:
        flat = acc.flatten(1)
        largest = flat.abs().amax(1) if self.signed else flat.amax(1)
        self.running_max.lerp_(largest.mean().clamp_min(1), 0.01)


class MulShift(Requant):
    """A multiplier, bias and shift for every channel (SPEC 5.4); takes batch normalization and per-channel scales.

    In real numbers y = (gamma * (acc - mean) / deviation + beta) * hi / 4: four deviations fill the range. With norm
    "none" mean is 0 and deviation a constant, so gamma and beta alone are learned.
    """

    kind = "mulshift"
    deploys = ("none", "batch")
    per_channel_scale = True
    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, *, typical: float, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(channels, **kwargs)
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.full((channels,), typical**2))
        self.first_variance = float(self.variance[0])

    @torch.no_grad()
    def rescale(self, ratio: Tensor) -> None:
        self.mean *= ratio
        self.variance *= ratio.square()

    def saw_no_batch(self) -> bool:
        """Are all statistics those that it began with? A batch moves the variance of every channel."""
        begin = torch.full_like(self.variance, self.first_variance)
        return not self.mean.any() and torch.equal(self.variance, begin)

    def constants(self, acc_max: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """m, b, s of every channel. On the CPU and in double precision, so that every machine finds the same."""
        gamma, beta, mean, variance = (
            v.detach().cpu().double().numpy() for v in (self.gamma, self.beta, self.mean, self.variance)
        )
        gain = gamma / np.sqrt(variance + EPSILON)
        unit = self.hi / 4
        return fold_mulshift(gain * unit, (beta - gain * mean) * unit, acc_max.cpu().numpy(), self.lo, self.hi)

    def forward(self, acc: Tensor, acc_max: Tensor | None) -> Tensor:
        if not self.training:
            assert acc_max is not None
            m, b, s = (_per_channel(torch.as_tensor(v).to(acc), acc) for v in self.constants(acc_max))
            return (acc * m).add_(b).mul_(torch.exp2(-s)).floor_().clamp_(self.lo, self.hi)
        unit = self.hi / 4
        if self.norm == "batch" and acc.numel() > self.channels:
            y, mean, variance = normalize_round_clamp(acc, self.gamma * unit, self.beta * unit, self.lo, self.hi)
            self._follow(mean, variance, acc.numel() // self.channels)
            return y
        # a last batch of one sample has no statistics of its own
        gain = self.gamma * (self.variance + EPSILON).rsqrt()
        offset = self.beta - self.mean * gain
        z = acc * _per_channel(gain * unit, acc) + _per_channel(offset * unit, acc)
        return round_clamp(z, self.lo, self.hi)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Average the statistics of `count` sums into the running ones, as torch.nn.BatchNorm does."""
        self.mean.lerp_(mean.to(self.mean), MOMENTUM)
        self.variance.lerp_((variance * count / (count - 1)).to(self.variance), MOMENTUM)


REQUANTS: dict[str, type[Requant]] = {cls.kind: cls for cls in (MaxShift, Shift, MulShift)}
