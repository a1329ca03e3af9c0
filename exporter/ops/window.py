# SPDX-License-Identifier: Apache-2.0
"""What convolutions and poolings share: a window that moves over a map (SPEC 5.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops.base import Int, Interval, Op, Shape
from training.errors import HalfbyteError

LONGEST = 2**15 - 1  # rows and pixels of a row, padding included: places in a map are int16_t
LARGEST = 2**8 - 1  # of the numbers of a window: uint8_t

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, eq=False)
class Windowed(Op):
    """An operation whose output pixel (y, x) reads the input pixels (y * stride + ky - padding, ...) of a window.

    in_shape  (height, width, channels) of the input, in whatever shape it comes
    size, stride, padding  (vertical, horizontal)
    """

    in_shape: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    def out_shape(self, *shapes: Shape) -> Shape:
        if np.prod(shapes[0]) != np.prod(self.in_shape):
            raise HalfbyteError(f"{self.kind} takes a map of {self.in_shape}, but {shapes[0]} comes in")
        self._check_limits()
        return (*self.out_size, self.out_channels)

    def _check_limits(self) -> None:
        """HalfbyteError where a number does not fit the C type that holds it (hb_window and hb_rows in hb.h)."""
        padded = [n + 2 * p for n, p in zip(self.in_shape, self.padding, strict=False)]
        if max(padded) > LONGEST:
            raise HalfbyteError(
                f"{self.kind} takes maps of at most {LONGEST} rows and pixels, padding included, found {max(padded)}; "
                "make the input shorter, or shrink it by a pooling of the data"
            )
        if max(self.in_shape[2], self.out_channels) > 2 * LONGEST:
            raise HalfbyteError(f"{self.kind} takes and makes at most {2 * LONGEST} channels; make it narrower")
        if min(self.out_size) < 1:
            raise HalfbyteError(
                f"{self.kind} has a window of {self.size}, larger than the map {self.in_shape[:2]} with padding "
                f"{self.padding}; use a smaller one, or a smaller stride in front"
            )
        if not self.is_global and max(*self.size, *self.stride, *self.padding) > LARGEST:
            found = f"size {self.size}, stride {self.stride}, padding {self.padding}"
            raise HalfbyteError(f"{self.kind} takes windows with numbers of at most {LARGEST}, found {found}")

    @property
    def out_size(self) -> tuple[int, int]:
        """Height and width of the output."""
        height, width = (
            (n + 2 * p - k) // s + 1
            for n, k, s, p in zip(self.in_shape, self.size, self.stride, self.padding, strict=False)
        )
        return height, width

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        return self.in_shape[2]

    @property
    def is_global(self) -> bool:
        """Is it one window over the whole map, summed up row by row?"""
        return False

    @property
    def channels(self) -> int:
        """Input channels that an output channel, or a call of the kernel, reads."""
        return self.in_shape[2]

    def first_row(self, y: int) -> int:
        """The first input row that output row y reads; below 0 in the padding."""
        return y * self.stride[0] - self.padding[0]

    def taps(self, x: Int, fill: int) -> Iterator[tuple[int, Int]]:
        """(ky * width + kx, input pixels under it) of every place in the window.  # (n, out_h, out_w, channels)"""
        x = x.reshape(len(x), *self.in_shape)
        (top, left), (high, wide) = self.padding, self.out_size
        x = np.pad(x, ((0, 0), (top, top), (left, left), (0, 0)), constant_values=fill)
        for at in range(self.size[0] * self.size[1]):
            ky, kx = divmod(at, self.size[1])
            rows = slice(ky, ky + (high - 1) * self.stride[0] + 1, self.stride[0])
            cols = slice(kx, kx + (wide - 1) * self.stride[1] + 1, self.stride[1])
            yield at, x[:, rows, cols]

    def input_channels(self, x: Interval, *, zero: bool) -> Interval:
        """Interval of every input channel; with `zero`, of what may be read of it, padding included.  # (channels,)"""
        lo, hi = x.lo.reshape(-1, self.in_shape[2]).min(0), x.hi.reshape(-1, self.in_shape[2]).max(0)
        return Interval(np.minimum(lo, 0), np.maximum(hi, 0)) if zero and any(self.padding) else Interval(lo, hi)

    def everywhere(self, lo: Int, hi: Int) -> Interval:
        """An interval of every output channel at every pixel."""
        shape = (*self.out_size, self.out_channels)
        return Interval(np.broadcast_to(lo, shape), np.broadcast_to(hi, shape))

    def window(self) -> list[int]:
        """The fields of hb_window."""
        (_, width, pixel), (_, out_width) = self.in_shape, self.out_size
        return [out_width, width, pixel, self.channels, *self.size, self.stride[1], self.padding[1]]
