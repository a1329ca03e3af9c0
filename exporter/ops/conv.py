# SPDX-License-Identifier: Apache-2.0
"""conv: quantized kernels moved over a map, grouped and depthwise ones included (SPEC 5.7)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import Int, Interval, Table
from exporter.ops.linear import Linear
from exporter.ops.window import Windowed
from exporter.pack import pack, row_bytes
from training.formats import get_format

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False)
class Conv(Windowed):
    """acc[y][x][o] = sum over ky, kx, c of w[o][ky][kx][c] * in[y * sh + ky - ph][x * sw + kx - pw][first(o) + c].

    Outside the map the input is 0. first(o) is the first channel of output channel o's group.
    """

    kind = "conv"
    out_type = "int32_t"

    groups: int
    format: str
    w: Int  # (n_out, kernel height * width * channels of a group) levels

    @property
    def out_channels(self) -> int:
        return len(self.w)

    @property
    def channels(self) -> int:
        return self.in_shape[2] // self.groups

    @property
    def depthwise(self) -> bool:
        """Does output channel o read input channel o alone?"""
        return self.groups == self.in_shape[2] == self.out_channels

    @property
    def pointwise(self) -> bool:
        """Is its window one pixel, and none of them outside the map?"""
        return self.size == (1, 1) and not any(self.padding)

    @property
    def fits_planes(self) -> bool:
        """Can a plane kernel make an output channel? A window of 3x3 of one input channel, inside the map."""
        one = self.depthwise or self.in_shape[2] == 1
        return one and self.size == (3, 3) and self.stride == (1, 1) and not any(self.padding)

    def as_linear(self) -> Linear:
        """What makes all channels of a pixel from its window: w[o] is the row of output o. The same object always."""
        return self._linear

    @cached_property
    def _linear(self) -> Linear:
        return Linear(self.format, self.w)

    def reference(self, x: Int) -> Int:
        n_taps = self.size[0] * self.size[1]
        w = self.w.reshape(self.groups, -1, n_taps, self.channels).transpose(2, 0, 3, 1)  # (taps, groups, in, out)
        acc = np.zeros((len(x), *self.out_size, self.groups, self.out_channels // self.groups), np.int64)
        for at, pixels in self.taps(x, 0):
            grouped = pixels.reshape(*pixels.shape[:3], self.groups, 1, self.channels)
            # doubles hold every sum below 2^53, whatever the order, and a matrix product of theirs is fast
            acc += (grouped.astype(float) @ w[at].astype(float))[..., 0, :].astype(np.int64)
        return acc.reshape(*acc.shape[:3], -1)

    def interval(self, x: Interval, layer: str) -> Interval:
        inputs = self.input_channels(x, zero=True)
        group = np.arange(self.out_channels) // (self.out_channels // self.groups)
        read = group[:, None] * self.channels + np.arange(self.channels)  # input channel of (o, c)
        w = self.w.reshape(self.out_channels, -1, self.channels)
        ends = w * inputs.lo[read][:, None], w * inputs.hi[read][:, None]
        low = np.minimum(np.minimum(*ends), 0).sum(axis=(1, 2))
        high = np.maximum(np.maximum(*ends), 0).sum(axis=(1, 2))
        return self.everywhere(low, high).check_int32(layer, "a partial sum")

    def tables(self) -> Sequence[Table]:
        return [Table("w", "uint8_t", pack(get_format(self.format), self.w), self.w.size)]

    @property
    def row_bytes(self) -> int:
        """Bytes of an output channel's packed codes."""
        return row_bytes(get_format(self.format), self.w.shape[1])

    def kernel(self) -> str:
        return f"hb_{self.kind}_{self.format}"

    def format_name(self) -> str:
        return self.format
