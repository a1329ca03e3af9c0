# SPDX-License-Identifier: Apache-2.0
"""What an operation of the integer graph is: its arithmetic, its interval, its C, all in one file each.

To add an operation: one file here with one class, its name in `exporter/ops/__init__.py`, its kernel in
`firmware/src/`, and an entry in `exporter/lower.py` that makes it from a PyTorch module.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Sequence

Int = npt.NDArray[np.int64]
Shape = tuple[int, ...]

MAP_DIMS = 3  # height, width, channels
INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)
SIZES = {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4}  # bytes of a C type


@dataclass(frozen=True)
class Interval:
    """Smallest and largest value of every element of a tensor, both reachable or wider.  # arrays of its shape"""

    lo: Int
    hi: Int

    @property
    def peak(self) -> int:
        """Largest absolute value of any element."""
        return int(max(np.abs(self.lo).max(initial=0), np.abs(self.hi).max(initial=0)))

    def check_int32(self, layer: str, what: str) -> Interval:
        """Itself; HalfbyteError with layer, channel and bound where `what` could leave 32 bits."""
        over = (self.hi > INT32_MAX) | (self.lo < INT32_MIN)
        if over.any():
            channel = int(np.argmax(by_channel(over).any(axis=1)))
            lo, hi = int(by_channel(self.lo)[channel].min()), int(by_channel(self.hi)[channel].max())
            raise HalfbyteError(
                f"{layer}: {what} of channel {channel} can reach [{lo}, {hi}], outside int32; "
                "make the layer narrower or its format smaller"
            )
        return self


@dataclass(frozen=True)
class Table:
    """A constant of the generated C: `static const HB_ROM <ctype> <layer>_<suffix>[]`.

    count  weights or channels it stands for; packed weights are more than their bytes
    """

    suffix: str
    ctype: str  # a key of SIZES
    values: npt.NDArray[Any]
    count: int

    @property
    def nbytes(self) -> int:
        """Bytes it takes in flash."""
        return SIZES[self.ctype] * self.values.size


@dataclass(frozen=True, eq=False)
class Op:
    """One operation: a frozen record of integers. Its class docstring is its arithmetic.

    kind         its name in graph.json and in SPEC.md
    out_type     C type of an output element
    in_place     may the output overlap the (first) input? Where it takes sums, it may begin anywhere at or before
                 them in memory; otherwise it begins where the input does
    takes_sums   are the inputs int32 sums?
    elementwise  activations to activations, each from those at its own place alone: any number of them at a time
    raw          part of the input rule, not of the inference
    """

    kind: ClassVar[str]
    out_type: ClassVar[str]
    in_place: ClassVar[bool] = False
    takes_sums: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    raw: ClassVar[bool] = False

    def out_shape(self, *shapes: Shape) -> Shape:
        """Shape of one sample behind the operation, of those of its inputs."""
        return shapes[0]

    def reference(self, *args: Any, **kwargs: Any) -> Int:  # noqa: ANN401 (so that mypy takes any number of inputs)
        """The integers, in NumPy, of every input.  # (n, *shape), ... -> (n, *out_shape)"""
        raise NotImplementedError

    def interval(self, *args: Any, **kwargs: Any) -> Interval:  # noqa: ANN401
        """Interval of the output from those of the inputs and the layer's name.

        HalfbyteError where an intermediate value could leave 32 bits.
        """
        raise NotImplementedError

    def tables(self) -> Sequence[Table]:
        """Constants of the generated C."""
        return ()

    def kernel(self) -> str:
        """Name of the C function, and of its file in firmware/src/."""
        return f"hb_{self.kind}"

    def arguments(self) -> Sequence[str]:
        """What the C call takes behind output and inputs; {n_in}, {n_out} are sizes, {w} and the like tables."""
        return ()

    def channel_arguments(self) -> Sequence[str]:
        """What hb_<kind>_channel takes behind output, step and sums, for channel {o} of a map."""
        raise NotImplementedError

    def format_name(self) -> str:
        """Weight format, or - where there is none."""
        return "-"

    def to_json(self) -> dict[str, Any]:
        """Kind and fields, arrays as nested lists."""
        record: dict[str, Any] = {"op": self.kind}
        for field in fields(self):
            value = getattr(self, field.name)
            record[field.name] = value.tolist() if isinstance(value, np.ndarray) else value
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Op:
        """Inverse of `to_json`: lists become int64 arrays or tuples, as the field says."""
        values = {}
        for field in fields(cls):
            value = record[field.name]
            if isinstance(value, list):
                value = np.asarray(value, np.int64) if "Int" in str(field.type) else tuple(value)
            values[field.name] = value
        return cls(**values)


def by_channel(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A tensor's values as (channels, n): channels are the last axis of a map, the first of everything else."""
    channels_first = np.moveaxis(values, -1, 0) if values.ndim == MAP_DIMS else values
    return channels_first.reshape(len(channels_first), -1)


def half(shift: Int | int) -> Any:  # noqa: ANN401 (int in, int out; array in, array out)
    """(1 << shift) >> 1: what makes a shift round half up."""
    return (np.int64(1) << np.asarray(shift, np.int64)) >> 1


def multiplier(area: int, largest: int, tightest: int) -> tuple[int, int] | None:
    """mul, shift with (v * mul) >> shift == v // area for every v in 0 ... largest, in 32 bits; None if there are none.

    mul is 2^shift / area rounded up, so v * mul / 2^shift is too large by v * excess / (area * 2^shift). That must stay
    below 1 / area where v is one short of a multiple of area: `tightest` is the largest such v, or more.
    """
    for shift in range(31):
        mul = -(-(1 << shift) // area)
        excess = mul * area - (1 << shift)
        if tightest * excess < 1 << shift and largest * mul < 2**32:
            return mul, shift
    return None
