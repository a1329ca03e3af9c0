# SPDX-License-Identifier: Apache-2.0
"""Batch normalization, rounding and clamping in one step, forward and backward, a cacheful of samples at a time.

What takes time here is memory: each of a dozen elementwise operations would read and write whole feature maps. Done
for a few samples after the other they find them in the cache, and what can be computed again is not stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE = 1 << 17  # activations that are worked on together
EPSILON = 1e-5
BELOW, ABOVE = 1e-6, 1e-5  # what torch's clamping gradient needs to count the ends as inside


class _Rows(NamedTuple):
    """A tensor (n, channels, ...) seen as it lies in memory.

    flat    (n, channels * pixels): every sample a row
    pixels  of a channel
    last    do the channels of a pixel lie together (channels_last)?
    """

    flat: Tensor
    pixels: int
    last: bool

    def spread(self, v: Tensor) -> Tensor:
        """A number for each channel -> one for each element of a row."""
        return v.repeat(self.pixels) if self.last else v.repeat_interleave(self.pixels)

    def gather(self, v: Tensor) -> Tensor:
        """Sums over the pixels of a row, in float64.  # (channels,)"""
        v = v.double()
        return v.view(self.pixels, -1).sum(0) if self.last else v.view(-1, self.pixels).sum(1)

    def chunks(self, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Rows that fit the cache together, of this tensor and of others like it."""
        return zip(*(t.split(self.at_once()) for t in (self.flat, *others)), strict=True)

    def at_once(self) -> int:
        """Rows of a chunk; on a GPU all of them."""
        return len(self.flat) if self.flat.is_cuda else max(1, CACHE // max(1, self.flat.shape[1]))

    def scratch(self) -> Tensor:
        """Room for the intermediate values of a chunk, the same for every one: it stays in the cache."""
        return torch.empty_like(self.flat[: self.at_once()])


def _rows(x: Tensor) -> _Rows:
    n, channels = x.shape[:2]
    pixels = x.shape[2:].numel()
    if x.dim() == 4 and channels > 1 and x.is_contiguous(memory_format=torch.channels_last):
        return _Rows(x.permute(0, 2, 3, 1).reshape(n, -1), pixels, last=True)
    return _Rows(x.reshape(n, -1), pixels, last=False)


def _like(x: Tensor, rows: _Rows) -> Tensor:
    """The same values in the memory order of rows, copied where they are not."""
    return x.contiguous(memory_format=torch.channels_last if rows.last else torch.contiguous_format)


class _NormalizeRoundClamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, acc: Tensor, gamma: Tensor, beta: Tensor, lo: int, hi: int) -> tuple[Tensor, ...]:  # noqa: ANN401
        acc = acc.float()
        rows = _rows(acc)
        count = len(acc) * rows.pixels
        total = torch.zeros_like(rows.flat[0])
        squares, room = torch.zeros_like(total), rows.scratch()
        for (x,) in rows.chunks():
            total += x.sum(0)
            squares += torch.mul(x, x, out=room[: len(x)]).sum(0)
        mean = rows.gather(total) / count
        variance = (rows.gather(squares) / count - mean.square()).clamp_min(0)
        gain = gamma * (variance + EPSILON).rsqrt()
        slope, offset = (rows.spread(v.float()) for v in (gain, beta - mean * gain + 0.5))
        y = torch.empty_like(acc)
        for x, out in rows.chunks(_rows(y).flat):
            torch.addcmul(offset, x, slope, out=out).floor_().clamp_(lo, hi)
        ctx.save_for_backward(acc, mean, variance, gain, slope, offset)
        ctx.lo, ctx.hi, ctx.count = lo, hi, count
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        acc, mean, variance, gain, slope, offset = ctx.saved_tensors
        rows = _rows(acc)
        result = torch.empty_like(acc)
        out_rows = _rows(result).flat
        total = torch.zeros_like(slope)
        products, room = torch.zeros_like(total), rows.scratch()
        for x, g, out in rows.chunks(_rows(_like(grad.float(), rows)).flat, out_rows):
            z = torch.addcmul(offset, x, slope, out=room[: len(x)])
            torch.ops.aten.hardtanh_backward(g, z, ctx.lo + 0.5 - BELOW, ctx.hi + 0.5 + ABOVE, grad_input=out)
            total += out.sum(0)
            products += torch.mul(out, x, out=z).sum(0)
        deviation = (variance + EPSILON).sqrt()
        d_beta = rows.gather(total)
        d_gamma = (rows.gather(products) - mean * d_beta) / deviation
        per_acc = -gain * d_gamma / (deviation * ctx.count)
        constant = -gain * d_beta / ctx.count - mean * per_acc
        per_acc, constant = (rows.spread(v.float()) for v in (per_acc, constant))
        for x, out in rows.chunks(out_rows):
            torch.addcmul(torch.addcmul(constant, x, per_acc, out=room[: len(x)]), out, slope, out=out)
        return result, d_gamma.to(acc), d_beta.to(acc), None, None


def grad_inside(grad: Tensor, z: Tensor, lo: float, hi: float) -> Tensor:
    """The gradient where lo <= z <= hi, else 0, in one pass over memory."""
    return torch.ops.aten.hardtanh_backward(grad, z, lo - BELOW, hi + ABOVE)


def normalize_round_clamp(acc: Tensor, gamma: Tensor, beta: Tensor, lo: int, hi: int) -> tuple[Tensor, Tensor, Tensor]:
    """Activations round(gamma * (acc - mean) / deviation + beta) clamped to [lo, hi], half up; mean, variance of acc.

    acc          (n, channels, ...) in any memory format, more than one element for each channel
    gamma, beta  (channels,)

    Statistics are those of the batch, the variance without Bessel's correction, float64; neither of them has a
    gradient of its own. The gradient passes where nothing was clamped.
    """
    return _NormalizeRoundClamp.apply(acc, gamma, beta, lo, hi)  # type: ignore[no-untyped-call]
