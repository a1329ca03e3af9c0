# SPDX-License-Identifier: Apache-2.0
"""Weights to levels: nearest-level rounding as a pure function, and the one straight-through estimator around it.

Everything here works in units of levels: `z = w / scale`, so a result is the very integer the kernel multiplies by.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from training.formats import Format


@lru_cache(maxsize=64)
def _tables(fmt: Format, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cell boundaries and levels of a format as tensors on the device."""
    boundaries = torch.as_tensor(fmt.boundaries, dtype=dtype, device=device)
    return boundaries, torch.as_tensor(fmt.levels, dtype=dtype, device=device)


def nearest_level(z: Tensor, fmt: Format) -> Tensor:
    """The level nearest to each z, the higher one on a tie.  # same shape and dtype, integer values"""
    if fmt.step is not None:  # evenly spaced: no search
        lowest, step = fmt.levels[0], fmt.step
        index = ((z - lowest) * (1 / step) + 0.5).floor_().clamp_(0, len(fmt.levels) - 1)
        return index.mul_(step).add_(lowest)
    boundaries, levels = _tables(fmt, z.device, z.dtype)
    return levels[torch.bucketize(z, boundaries, right=True)]


class _StraightThrough(torch.autograd.Function):
    """Forward: nearest level. Backward: 1 inside the outermost levels, c / |z| outside (OCTAV's MAD estimator)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, fmt: Format) -> Tensor:  # noqa: ANN401 (autograd's own context)
        ctx.save_for_backward(z)
        ctx.clip = fmt.max_level
        return nearest_level(z, fmt)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (z,) = ctx.saved_tensors
        return grad * (ctx.clip / z.abs().clamp_min(ctx.clip)), None


def fake_quantize(z: Tensor, fmt: Format) -> Tensor:
    """`nearest_level` with a gradient: magnitude-aware, Sakr et al. 2022 (arXiv 2206.06501), section 4."""
    return _StraightThrough.apply(z, fmt)  # type: ignore[no-untyped-call]
