# SPDX-License-Identifier: Apache-2.0
"""The integer input rule: raw samples to activations."""

from __future__ import annotations

from math import gcd

import numpy as np
import torch
from torch import Tensor, nn

from training.errors import HalfbyteError
from training.formats import RAW_TYPES
from training.requant import activation_range


def area_weights(n_in: int, n_out: int) -> np.ndarray:
    """Parts that output row o and input row i of an area resize share (SPEC 2.1).  # (n_out, n_in), rows sum equal"""
    g = gcd(n_in, n_out)
    parts_in, parts_out = n_out // g, n_in // g  # parts in an input row, parts an output row covers
    starts = np.arange(n_out)[:, None] * parts_out, np.arange(n_in)[None, :] * parts_in
    ends = starts[0] + parts_out, starts[1] + parts_in
    return np.clip(np.minimum(*ends) - np.maximum(*starts), 0, None)


class ResizeArea(nn.Module):
    """uint8 images (n, *in_size) -> (n, *out_size) by area, rounded down (SPEC 2.1)."""

    rows: Tensor
    cols: Tensor

    def __init__(self, in_size: tuple[int, ...], out_size: tuple[int, ...]) -> None:
        super().__init__()
        self.in_size, self.out_size = tuple(in_size), tuple(out_size)
        rows, cols = (area_weights(n, m) for n, m in zip(in_size, out_size, strict=True))
        self.area = int(rows[0].sum() * cols[0].sum())
        self.register_buffer("rows", torch.tensor(rows, dtype=torch.float64), persistent=False)
        self.register_buffer("cols", torch.tensor(cols.T.copy(), dtype=torch.float64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # A quotient that is no integer is at least 1 / area from one, so its floor is right in float32 as well,
        # as long as the sums are below 2^24 and area below 2^15.
        return torch.floor(self.rows.to(x) @ x @ self.cols.to(x) / self.area)


class Input(nn.Module):
    """The integer input rule (SPEC 2): raw (n, *shape) values -> activations (n, *out_shape).

    shape   of one raw sample
    dtype   of the raw values: uint8, int8 or int16
    resize  (height, width) to which images are resized by area; uint8 only
    offset, shift   y = clamp((x + offset) >> shift)
    signed  activations in [-127, 127]; default: where the raw type is signed
    channels  where the channel axis of a raw sample is: "first", (C, H, W) or (C, L); "last", (H, W, C) or (L, C),
              either of which comes out with its channels first; None: it comes out as it is
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        dtype: str = "uint8",
        resize: tuple[int, int] | None = None,
        offset: int = 0,
        shift: int = 0,
        signed: bool | None = None,
        channels: str | None = None,
    ) -> None:
        super().__init__()
        if dtype not in RAW_TYPES:
            raise HalfbyteError(f"Input: dtype must be one of {', '.join(RAW_TYPES)}, got '{dtype}'")
        if not shape or not all(isinstance(size, int) and size > 0 for size in shape):
            raise HalfbyteError(f"Input: shape must have at least one size, all of them positive, got {tuple(shape)}")
        if channels not in (None, "first", "last"):
            raise HalfbyteError(f"Input: channels must be first, last or None, got {channels!r}")
        if channels is not None and len(shape) not in (2, 3):
            raise HalfbyteError(f"Input: channels='{channels}' takes a shape of 2 or 3 sizes, got {tuple(shape)}")
        if resize is not None and (dtype != "uint8" or len(shape) != 2 or channels is not None):
            what = f"{dtype} {tuple(shape)}" + (f" with channels='{channels}'" if channels else "")
            raise HalfbyteError(f"Input: resize takes a (height, width) uint8 image, got {what}")
        if not (0 <= shift <= 15 and -32768 <= offset <= 32767):
            raise HalfbyteError(f"Input: shift must be 0..15 and offset int16, got shift {shift}, offset {offset}")
        self.shape, self.dtype, self.channels = tuple(shape), dtype, channels
        self.resize = ResizeArea(self.shape, resize) if resize else None
        self.out_shape = tuple(resize) if resize else self.shape
        if channels == "last":
            self.out_shape = (self.shape[-1], *self.shape[:-1])
        self.offset, self.shift = offset, shift
        self.lo, self.hi = activation_range(8, signed=dtype != "uint8" if signed is None else signed)

    def extra_repr(self) -> str:
        return f"{self.dtype} {self.shape} -> {self.out_shape}, offset={self.offset}, shift={self.shift}"

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            if not self.training and x.is_floating_point() and not torch.equal(x, x.floor()):
                raise HalfbyteError(f"Input takes {self.dtype} values as they are stored, got fractions; do not scale")
            x = x.to(torch.float32 if self.training else torch.float64)
            if self.resize is not None:
                x = self.resize(x)
            if self.channels == "last":
                x = x.movedim(-1, 1)
            if self.offset or self.shift:
                x = torch.floor((x + self.offset) * 2.0**-self.shift)
            return x.clamp(self.lo, self.hi)
