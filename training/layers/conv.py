# SPDX-License-Identifier: Apache-2.0
"""Convolutions of images and of series: standard, grouped, depthwise, pointwise."""

from __future__ import annotations

from math import prod
from typing import ClassVar, Unpack

import torch
from torch import Tensor
from torch.nn import functional

from training.errors import HalfbyteError
from training.layers.base import BitLayer, BitOptions
from training.layers.shapes import Sizes, check_map, sizes

KERNEL_MAX = 7


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
        if self.training:
            return self._convolve(x, levels)
        with torch.backends.cudnn.flags(enabled=False):  # Winograd and FFT are not exact, its choice is not ours
            return self._convolve(x, levels)

    def _convolve(self, x: Tensor, levels: Tensor) -> Tensor:
        convolution = functional.conv1d if self.dims == 1 else functional.conv2d
        return convolution(x, self.kernels(levels), None, self.stride, self.padding, 1, self.groups)


class BitConv2d(_BitConv):
    """A convolution of quantized weights: (n, in_channels, h, w) -> (n, out_channels, h', w').

    kernel_size, stride, padding and groups as in torch.nn.Conv2d: one number, or one for the height and one for the
    width; kernels are 1 to 7 each way. Outside of the map are zeros. Options as in `BitLayer`.
    """

    dims = 2


class BitConv1d(_BitConv):
    """A convolution of a series: (n, in_channels, length) -> (n, out_channels, length'). Otherwise as `BitConv2d`."""

    dims = 1
