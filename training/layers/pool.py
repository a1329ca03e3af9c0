# SPDX-License-Identifier: Apache-2.0
"""Averages of feature maps, rounded half up. Maxima need nothing of ours: nn.MaxPool1d and nn.MaxPool2d are exact."""

from __future__ import annotations

from math import prod
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from training.errors import HalfbyteError
from training.layers.shapes import Exact, Sizes, check_map, sizes


def rounded_mean(total: Tensor, area: int) -> Tensor:
    """floor(total / area + 1 / 2), with the gradient of the mean; total are whole numbers, sums of `area` activations.

    A quotient that is no whole number is at least 1 / area from one, so its floor is right in float32 as well, as
    long as the sums are below 2^24 and area below 2^15.
    """
    mean = total / area
    return mean + (torch.floor((total + area // 2) / area) - mean).detach()


class _AvgPool(Exact):
    """What the poolings of 1 and 2 dimensions share. Sizes are tuples, one number for each dimension."""

    dims: ClassVar[int]

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        where, dims = type(self).__name__, self.dims
        self.kernel_size = sizes(where, "kernel_size", kernel_size, dims, 1)
        self.stride = sizes(where, "stride", self.kernel_size if stride is None else stride, dims, 1)
        self.padding = sizes(where, "padding", padding, dims, 0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise HalfbyteError(
                f"{where}: padding may be half the kernel, got padding {self.padding} of kernel {self.kernel_size}"
            )

    def extra_repr(self) -> str:
        return f"kernel {self.kernel_size}, stride {self.stride}, padding {self.padding}"

    def compute(self, x: Tensor) -> Tensor:
        check_map(type(self).__name__, x, None, self.kernel_size, self.padding)
        flat = (1,) * (2 - self.dims)  # a series is an image one pixel high
        x = x if self.dims == 2 else x.unsqueeze(2)
        kernel, stride, padding = flat + self.kernel_size, flat + self.stride, (0,) * len(flat) + self.padding
        total = functional.avg_pool2d(x, kernel, stride, padding, divisor_override=1)
        mean = rounded_mean(total, prod(self.kernel_size))
        return mean if self.dims == 2 else mean.squeeze(2)


class AvgPool2d(_AvgPool):
    """The mean of every window, rounded half up: (n, channels, h, w) -> (n, channels, h', w').

    kernel_size, stride (default: the kernel) and padding as in torch.nn.AvgPool2d: one number or two, and the zeros
    outside of the map count.
    """

    dims = 2


class AvgPool1d(_AvgPool):
    """The mean of every window of a series: (n, channels, length) -> (n, channels, length'). Else as `AvgPool2d`."""

    dims = 1


class GlobalAvgPool(Exact):
    """The mean of every channel, rounded half up: (n, channels, ...) -> (n, channels)."""

    def compute(self, x: Tensor) -> Tensor:
        if x.dim() < 3:
            raise HalfbyteError(f"GlobalAvgPool: takes a map (n, channels, ...), got {tuple(x.shape)}")
        axes = tuple(range(2, x.dim()))
        return rounded_mean(x.sum(axes), prod(x.shape[2:]))
