# SPDX-License-Identifier: Apache-2.0
"""avr: kernels for 8-bit AVR with a hardware multiplier. Columns of bytes, sums of 16 and 24 bits in registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter.ops import Linear, Op, Table
from exporter.pack import layout_of
from exporter.variants.base import Variant
from training.formats import get_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.pack import Bytes
    from training.formats import Format

# outputs of a block, which its format's kernel makes at a time
BLOCK = {
    "binary": 8, "ternary": 10, "sym2": 8, "sym4": 8, "int4": 8, "shift4": 4, "nf4": 4, "sym5": 8, "int8": 4,
}  # fmt: skip
NIBBLE = 4


def pack_blocks(fmt: Format, codes: Bytes) -> Bytes:
    """(n_out, n_in) codes -> bytes: blocks of outputs, and the rows left over as they are elsewhere (SPEC 4.5).

    A block has a column of bytes for each input.
    """
    size = BLOCK[fmt.name]
    column = COLUMNS.get(fmt.name, _consecutive)
    starts = range(0, len(codes), size)
    blocks = [codes[start : start + size] for start in starts]
    return np.concatenate(
        [(column(fmt, b.T) if len(b) == size else _consecutive(fmt, b)).ravel() for b in blocks] or [codes.ravel()]
    )


def _consecutive(fmt: Format, codes: Bytes) -> Bytes:
    """(n_in, block) codes -> (n_in, bytes): a column is packed as a row is."""
    return layout_of(fmt).pack(codes, int(fmt.bits))


def _above_zero(_fmt: Format, codes: Bytes) -> Bytes:
    """The level + 128, which is the code of int8 with its highest bit changed."""
    return codes ^ 0x80


def _lower_and_upper(fmt: Format, codes: Bytes) -> Bytes:
    """The lower 4 bits of all codes, then what is above."""
    pack = layout_of(get_format("sym4")).pack
    upper = int(fmt.bits) - NIBBLE
    return np.hstack([pack(codes & 15, NIBBLE), pack(codes >> NIBBLE, upper)])


COLUMNS: dict[str, Callable[[Format, Bytes], Bytes]] = {"int8": _above_zero, "sym5": _lower_and_upper}


def _weights(op: Op) -> Table | None:
    if not isinstance(op, Linear) or op.format not in BLOCK:
        return None
    fmt = get_format(op.format)
    return Table("w", "uint8_t", pack_blocks(fmt, fmt.code_of_level(op.w)), op.w.size)


AVR = Variant("avr", _weights)
