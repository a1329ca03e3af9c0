# SPDX-License-Identifier: Apache-2.0
"""Sizes of kernels, strides and paddings, maps they fit, and layers that compute in float64 in eval()."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE_MAX = 255  # of a stride, a padding, a pooling kernel: one byte on the chip
AXES = {1: "length", 2: "height, width"}

Sizes = int | tuple[int, ...]


class Exact(nn.Module):
    """A layer without quantized weights: `compute` sees the caller's tensors in train(), float64 in eval()."""

    compute: Callable[..., Tensor]

    def forward(self, *tensors: Tensor) -> Tensor:
        if self.training:
            return self.compute(*tensors)
        with torch.autocast(tensors[0].device.type, enabled=False):
            return self.compute(*(x.double() for x in tensors))


def sizes(where: str, what: str, value: object, dims: int, low: int, high: int = SIZE_MAX) -> tuple[int, ...]:
    """A whole number for each dimension, from one for all of them or from a tuple; HalfbyteError names it."""
    many: tuple[object, ...] = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
    found = tuple(size for size in many if type(size) is int and low <= size <= high)
    if len(found) != dims or len(many) != dims:
        kind = "a whole number" if dims == 1 else f"one whole number or {dims}, each"
        raise HalfbyteError(f"{where}: {what} must be {kind} from {low} to {high}, got {value!r}")
    return found


def check_map(where: str, x: Tensor, channels: int | None, kernel: tuple[int, ...], padding: tuple[int, ...]) -> None:
    """HalfbyteError where x is no map of as many dimensions as the kernel, or smaller than it.

    x         (n, channels, height, width) or (n, channels, length)
    channels  that it must have; None: any
    """
    shape = tuple(x.shape)
    takes = f"{where}: takes (n, {channels or 'channels'}, {AXES[len(kernel)]}), got {shape}"
    if len(shape) == len(kernel) + 1:
        raise HalfbyteError(f"{takes}; give it a channel: x.unsqueeze(1), or nn.Unflatten(1, (1, {shape[1]}))")
    if len(shape) != len(kernel) + 2:
        raise HalfbyteError(takes)
    if channels not in (None, shape[1]):
        raise HalfbyteError(f"{takes}; make it of {shape[1]} channels")
    if any(n + 2 * p < k for n, p, k in zip(shape[2:], padding, kernel, strict=True)):
        most = tuple(min(n + 2 * p, k) for n, p, k in zip(shape[2:], padding, kernel, strict=True))
        raise HalfbyteError(
            f"{where}: kernel {kernel} is larger than the map {shape[2:]} with padding {padding}; "
            f"use {most} at most, more padding, or a smaller stride in front"
        )
