# SPDX-License-Identifier: Apache-2.0
"""Convolutions of images and of series: standard, grouped, depthwise, pointwise."""

from __future__ import annotations

from math import prod
from typing import ClassVar, Unpack

import torch
from numpy import ndindex
from torch import Tensor
from torch.nn import functional

from training.errors import HalfbyteError
from training.layers.base import BitLayer, BitOptions
from training.layers.shapes import Sizes, check_map, sizes

KERNEL_MAX = 7
CACHE = 1 << 17  # activations that are worked on together


class _BitConv(BitLayer):
    """What the convolutions of 1 and 2 dimensions share. Sizes are tuples, one number for each dimension."""

    dims: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        *,
        stride: Sizes = 1,
        padding: Sizes = 0,
        groups: int = 1,
        **options: Unpack[BitOptions],
    ) -> None:
        where, dims = type(self).__name__, self.dims
        kernel = sizes(where, "kernel_size", kernel_size, dims, 1, KERNEL_MAX)
        for what, number in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            sizes(where, what, number, 1, 1, 65535)
        if in_channels % groups or out_channels % groups:
            raise HalfbyteError(
                f"{where}: groups must divide the channels, got {groups} for {in_channels} -> {out_channels} channels"
            )
        super().__init__(out_channels, in_channels // groups * prod(kernel), **options)
        self.in_channels, self.groups, self.kernel_size = in_channels, groups, kernel
        self.stride = sizes(where, "stride", stride, dims, 1)
        self.padding = sizes(where, "padding", padding, dims, 0)

    def extra_repr(self) -> str:
        shape = f"{self.in_channels} -> {self.out_channels}, kernel {self.kernel_size}, stride {self.stride}"
        fmt = self.fmt.name if self.fmt else "float"
        return f"{shape}, padding {self.padding}, groups {self.groups}, {fmt}, scale={self.scale}"

    def kernels(self, levels: Tensor) -> Tensor:
        """Levels as torch's convolutions take them.  # (out_channels, in_channels / groups, *kernel_size)"""
        return levels.view(self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def _sums(self, x: Tensor, levels: Tensor) -> Tensor:
        check_map(type(self).__name__, x, self.in_channels, self.kernel_size, self.padding)
        w = self.kernels(levels)
        if self.training:
            return self._convolve(_pixels_together(x), _pixels_together(w))
        if self.groups == self.in_channels > 1:
            at_once = max(1, CACHE // (self.out_channels * x.shape[2:].numel()))
            parts = _pixels_together(x.float()).split(at_once)
            return torch.cat([self._depthwise(part, w.float()).double() for part in parts])
        with torch.backends.cudnn.flags(enabled=False):  # Winograd and FFT are not exact, its choice is not ours
            return self._convolve(x, w)

    def _convolve(self, x: Tensor, w: Tensor) -> Tensor:
        convolution = functional.conv1d if self.dims == 1 else functional.conv2d
        return convolution(x, w, None, self.stride, self.padding, 1, self.groups)

    def _depthwise(self, x: Tensor, w: Tensor) -> Tensor:
        """The sum of the map shifted to every position of the kernel; torch's float64 goes channel by channel.

        Exact in float32: |sum| <= 49 * 127 * 128 < 2^24, and elementwise operations have no precision settings.
        """
        x = functional.pad(x, [p for p in reversed(self.padding) for _ in (0, 1)])
        x = x.repeat_interleave(self.out_channels // self.in_channels, 1)
        total: Tensor | None = None
        for at in ndindex(*self.kernel_size):
            window = x
            for axis, (start, kernel, stride) in enumerate(zip(at, self.kernel_size, self.stride, strict=True), 2):
                window = window.narrow(axis, start, x.shape[axis] - kernel + 1)
                window = window[(slice(None),) * axis + (slice(None, None, stride),)]
            factor = w[(slice(None), 0, *at)].view(-1, *[1] * self.dims)
            total = window * factor if total is None else total.addcmul_(window, factor)
        assert total is not None
        return total


def _pixels_together(x: Tensor) -> Tensor:
    """Images with the channels of a pixel side by side in memory, which convolutions are several times as fast on."""
    return x.to(memory_format=torch.channels_last) if x.dim() == 4 else x


class BitConv2d(_BitConv):
    """A convolution of quantized weights: (n, in_channels, h, w) -> (n, out_channels, h', w').

    kernel_size, stride, padding and groups as in torch.nn.Conv2d: one number, or one for the height and one for the
    width; kernels are 1 to 7 each way. Outside of the map are zeros. Options as in `BitLayer`.
    """

    dims = 2


class BitConv1d(_BitConv):
    """A convolution of a series: (n, in_channels, length) -> (n, out_channels, length'). Otherwise as `BitConv2d`."""

    dims = 1
