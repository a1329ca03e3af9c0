# SPDX-License-Identifier: Apache-2.0
"""Rows of weights with a number of bits of their own, learned: int8 levels c * 2^k, c of b bits.

Csefalvay & Imber 2023, "Self-Compressing Neural Networks" (arXiv 2301.13142). There the exponent is learned as well;
here it follows the weights, as clip scales do.
"""

from __future__ import annotations

from math import log
from typing import Any

import torch
from torch import Tensor, nn

MAX_BITS = 8
_MAX_EXPONENT = 6  # -1 * 2^7 is no level of int8
_PHASES = 4  # scales that are tried within a factor of two
_SAMPLE = 128  # weights of a row that are looked at
_SMALLEST = 1e-12
_SLACK = 0.25  # of a bit, beyond the half at which it would be rounded otherwise, before a row changes
_BETTER = 0.85  # times the squared error there is, before an exponent or the scale changes


def row_range(bits: Tensor, exponent: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest c of rows of b bits, two's complement, with |c * 2^k| <= 127; both 0 for 0 bits.

    bits, exponent  whole numbers, 0 <= b <= 8, 0 <= k <= min(8 - b, 6)  # same shape
    """
    half = torch.floor(torch.exp2(bits - 1.0))
    return -torch.minimum(half, torch.floor(127 * torch.exp2(-exponent.float()))), (half - 1).clamp_min(0)


class _Quantize(torch.autograd.Function):
    """Forward: the nearest level of each row. Backward: straight through to z; to the bits along the error.

    One more bit halves the error of a row: q = z + error * 2^-(b' - b), so dq/db = -ln 2 * (q - z). Clipped weights
    have the gradient clip / |z| of OCTAV.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, bits: Tensor, low: Tensor, high: Tensor, step: Tensor) -> Tensor:  # noqa: ANN401, ARG004
        q = _nearest(z, low, high, step)
        ctx.save_for_backward(z, q, -low * step)
        return q

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        z, q, clip = ctx.saved_tensors
        to_bits = (grad * (q - z)).sum(1) * -log(2)
        return grad * (clip / torch.maximum(z.abs(), clip).clamp_min(_SMALLEST)), to_bits, None, None, None


def _nearest(z: Tensor, low: Tensor, high: Tensor, step: Tensor) -> Tensor:
    """The c * 2^k nearest to z, the higher one on a tie."""
    c = (z / step + 0.5).floor_()
    return torch.minimum(torch.maximum(c, low), high) * step


class RowBits(nn.Module):
    """The bits of every row of a layer, and the exponents that go with them.

    Whole bits, exponents and scale change reluctantly: a network learns badly with weights that flicker.

    bits      learned  # (rows,) in [0, 8]
    whole     what they were rounded to when the clip scale was last fitted, and what is stored  # (rows,) int32
    exponent  k, fitted with them; 0 where each row has a clip scale of its own  # (rows,) int32
    phase     of the scale for all rows, in quarters of a factor of two below the largest weight  # () int32
    least     that a row keeps; 0: it may go
    pixels    that each weight is multiplied for
    """

    whole: Tensor
    exponent: Tensor
    phase: Tensor

    def __init__(self, rows: int, least: int = 0, pixels: int = 1) -> None:
        super().__init__()
        self.least, self.pixels = least, pixels
        self.bits = nn.Parameter(torch.full((rows,), float(MAX_BITS)))
        self.register_buffer("whole", torch.full((rows,), MAX_BITS, dtype=torch.int32))
        self.register_buffer("exponent", torch.zeros(rows, dtype=torch.int32))
        self.register_buffer("phase", torch.zeros((), dtype=torch.int32))

    def live(self) -> Tensor:
        """Which rows have bits.  # (rows,) bool"""
        return self.whole > 0

    def soft(self, below: int) -> tuple[Tensor, Tensor]:
        """`whole` and `live` with a gradient: of live as if it rose from 0 to `below` bits.  # (rows,) each"""
        bits, near = self.bits.clamp(self.least, MAX_BITS), self.bits.clamp(0, below) / below
        return bits + (self.whole - bits).detach(), near + (self.live().float() - near).detach()

    def _ranges(self) -> tuple[Tensor, Tensor, Tensor]:
        """Lowest and highest c and the step 2^k of every row.  # (rows, 1) each"""
        low, high = row_range(self.whole, self.exponent)
        return low[:, None], high[:, None], torch.exp2(self.exponent.float())[:, None]

    @torch.no_grad()
    def levels(self, z: Tensor) -> Tensor:
        """The level nearest to each z, weights in units of the clip scale.  # (rows, n) whole numbers in [-127, 127]"""
        return _nearest(z, *self._ranges())

    def forward(self, z: Tensor) -> Tensor:
        """`levels` with gradients to the weights and to the bits."""
        return _Quantize.apply(z, self.bits, *self._ranges())  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def fit(self, w: Tensor, *, by_row: bool) -> Tensor:
        """Round the bits, set the exponents and return the clip scale with the least squared error of the weights.

        w       # (rows, n)
        by_row  each row has a scale of its own, and needs no exponent  # (rows, 1); else one for all  # (1, 1)
        """
        sample = w[:, :: max(1, w.shape[1] // _SAMPLE)].float()
        largest = (w.abs().amax(1, keepdim=True) if by_row else w.abs().max().view(1, 1)).clamp_min(_SMALLEST)
        unit = largest / 128
        moved = (self.bits - self.whole).abs() > 0.5 + _SLACK
        self.whole.copy_(torch.where(moved, torch.floor(self.bits + 0.5), self.whole).clamp_(self.least, MAX_BITS))
        if not self.whole.any():  # the widest row stays
            self.whole[self.bits.argmax()] = 1
        bits = self.whole[:, None]
        k = torch.arange(_MAX_EXPONENT + 2, device=w.device).clamp_max(_MAX_EXPONENT).expand(len(w), -1)
        low, high = row_range(bits.expand_as(k), k)
        shape = (len(w), 1, -1, 1)
        phase = torch.arange(_PHASES, device=w.device) / _PHASES
        step = torch.exp2(k[:, None, :] - phase[:, None])  # (rows, phases, exponents)
        z = (sample / unit)[:, None, None, :]
        q = _nearest(z, low.view(shape), high.view(shape), step[..., None])
        error = q.sub_(z).square_().sum(3)
        error.masked_fill_((k > MAX_BITS - bits)[:, None, :], torch.inf)
        rows = torch.arange(len(w), device=w.device)
        if not by_row:  # what there is has to be clearly worse
            error[rows, self.phase.long(), self.exponent.long()] *= _BETTER
        least, best = error.min(2)  # (rows, phases)
        if by_row:
            at = least.argmin(1)
            self.exponent.zero_()
            return unit * step[rows, at, best[rows, at]][:, None]
        at = least.sum(0).argmin()
        self.phase.copy_(at)
        self.exponent.copy_(k[0][best[:, at]])
        return unit * torch.exp2(-phase[at])

    def extra_repr(self) -> str:
        return f"{len(self.bits)} rows, {float(self.whole.float().mean()):.2f} bits"
