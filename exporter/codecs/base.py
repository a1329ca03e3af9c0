# SPDX-License-Identifier: Apache-2.0
"""What a codec is: a variant of the linear kernel that reads weights of any format from a stream of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from exporter.ops import Linear, Op, Table
from exporter.variants.base import Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Ints = npt.NDArray[np.int64]
    Levels = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False, kw_only=True)
class Codec(Variant):
    """How the levels of a tensor become a stream of bytes, and back. Its kernel is hb_linear_<name>, in C99.

    pack    (n_out, n_in) levels -> bytes; CodecError with the reason where it cannot hold them
    unpack  (bytes, n_out, n_in) -> (n_out, n_in) levels
    steps   levels -> turns of the kernel's loop, which its instructions are proportional to, about
    """

    pack: Callable[[Levels], Bytes]
    unpack: Callable[[Bytes, int, int], Levels]
    steps: Callable[[Levels], float]

    @property
    def header(self) -> str:
        """The prototypes of all codecs stand together."""
        return "hb_codecs.h"

    def kernel(self, op: Op) -> str:
        """One kernel serves all formats: the levels are in the stream."""
        return f"hb_{op.kind}_{self.name}"


def codec(
    name: str,
    pack: Callable[[Levels], Bytes],
    unpack: Callable[[Bytes, int, int], Levels],
    steps: Callable[[Levels], float],
) -> Codec:
    """A codec; where it cannot hold a tensor, it has no kernel for it."""

    @lru_cache(maxsize=256)
    def of(op: Linear) -> Table | None:
        try:
            return Table("w", "uint8_t", pack(op.w), op.w.size)
        except CodecError:
            return None

    def packed(op: Op) -> Table | None:
        return of(op) if isinstance(op, Linear) else None

    return Codec(name, packed, pack=pack, unpack=unpack, steps=steps)


class CodecError(ValueError):
    """A codec cannot hold a tensor; the message says why."""
