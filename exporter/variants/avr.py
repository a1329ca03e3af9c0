# SPDX-License-Identifier: Apache-2.0
"""avr: kernels for 8-bit AVR with a hardware multiplier. Columns of bytes, sums of 16 and 24 bits in registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops import Linear, Op, Table
from exporter.pack import BITS, layout_of
from exporter.variants.base import Variant
from training.formats import get_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.pack import Bytes
    from training.formats import Format

NIBBLE = 4  # bits
ABOVE = np.uint8(NIBBLE)


@dataclass(frozen=True)
class Columns:
    """How the codes of a block of outputs lie: a column of bytes for each input.

    size    outputs of a block
    pack    (codes (n_in, size), bits of a code) -> (n_in, bytes)
    unpack  ((n_in, bytes), bits, size) -> (n_in, size)
    """

    size: int
    pack: Callable[[Bytes, int], Bytes]
    unpack: Callable[[Bytes, int, int], Bytes]


def _pack_above_zero(codes: Bytes, _bits: int) -> Bytes:
    """int8: the level + 128, which is the code with its highest bit changed."""
    return codes ^ np.uint8(0x80)


def _unpack_above_zero(columns: Bytes, _bits: int, _size: int) -> Bytes:
    return columns ^ np.uint8(0x80)


def _pack_halves(codes: Bytes, bits: int) -> Bytes:
    """The lower 4 bits of all codes, then what is above."""
    return np.hstack([BITS.pack(codes & np.uint8(15), NIBBLE), BITS.pack(codes >> ABOVE, bits - NIBBLE)])


def _unpack_halves(columns: Bytes, bits: int, size: int) -> Bytes:
    lower, upper = np.hsplit(columns, [BITS.row_bytes(size, NIBBLE)])
    return BITS.unpack(lower, NIBBLE, size) | BITS.unpack(upper, bits - NIBBLE, size) << ABOVE


def _as_rows(name: str, size: int) -> Columns:
    """A column is packed as a row of the format is."""
    layout = layout_of(get_format(name))
    return Columns(size, layout.pack, layout.unpack)


COLUMNS = {
    **{name: _as_rows(name, 8) for name in ("binary", "sym2", "sym4", "int4")},
    **{name: _as_rows(name, 4) for name in ("shift4", "nf4")},
    "ternary": _as_rows("ternary", 10),
    "sym5": Columns(8, _pack_halves, _unpack_halves),
    "int8": Columns(4, _pack_above_zero, _unpack_above_zero),
}


def pack_blocks(fmt: Format, codes: Bytes) -> Bytes:
    """(n_out, n_in) codes -> bytes: blocks of outputs, then the rows left over as they are elsewhere (SPEC 4.5)."""
    columns, bits = COLUMNS[fmt.name], int(fmt.bits)
    end = len(codes) - len(codes) % columns.size
    blocks = [columns.pack(codes[at : at + columns.size].T, bits) for at in range(0, end, columns.size)]
    rows = [layout_of(fmt).pack(row[None], bits) for row in codes[end:]]
    return np.concatenate([np.zeros(0, np.uint8), *map(np.ravel, blocks + rows)])


def unpack_blocks(fmt: Format, data: Bytes, n_out: int, n_in: int) -> Bytes:
    """Bytes -> (n_out, n_in) codes: the inverse of `pack_blocks`."""
    columns, layout, bits = COLUMNS[fmt.name], layout_of(fmt), int(fmt.bits)
    n_blocks, n_rows = divmod(n_out, columns.size)
    end = len(data) - n_rows * layout.row_bytes(n_in, bits)
    blocks = [block.reshape(n_in, -1) for block in np.split(data[:end], n_blocks)] if n_blocks else []
    rows = [row[None] for row in np.split(data[end:], n_rows)] if n_rows else []
    return np.vstack(
        [columns.unpack(block, bits, columns.size).T for block in blocks]
        + [layout.unpack(row, bits, n_in) for row in rows]
    )


def _weights(op: Op) -> Table | None:
    if not isinstance(op, Linear) or op.format not in COLUMNS:
        return None
    fmt = get_format(op.format)
    return Table("w", "uint8_t", pack_blocks(fmt, fmt.code_of_level(op.w)), op.w.size)


OTHERS = frozenset({"hb_conv_int8", "hb_maxpool", "hb_maxshift", "hb_mulshift"})

AVR = Variant("avr", _weights, others=OTHERS)
