# SPDX-License-Identifier: Apache-2.0
"""Layouts: how the codes of a weight matrix lie in bytes (SPEC 4), packing and unpacking side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.formats import Format

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """How a row of codes becomes bytes and back; `bits` is the width of a code, for layouts that need it.

    row_bytes  (n_in, bits) -> bytes of a row
    pack       (codes (n_out, n_in), bits) -> (n_out, row_bytes)
    unpack     (rows (n_out, row_bytes), bits, n_in) -> codes (n_out, n_in)
    """

    row_bytes: Callable[[int, int], int]
    pack: Callable[[Bytes, int], Bytes]
    unpack: Callable[[Bytes, int, int], Bytes]


def row_bytes(fmt: Format, n_in: int) -> int:
    """Bytes of one packed row of n_in weights."""
    return layout_of(fmt).row_bytes(n_in, int(fmt.bits))


def pack(fmt: Format, levels: npt.NDArray[np.integer]) -> Bytes:
    """(n_out, n_in) levels -> (n_out, row_bytes) bytes."""
    return layout_of(fmt).pack(fmt.code_of_level(levels), int(fmt.bits))


def unpack(fmt: Format, rows: Bytes, n_in: int) -> npt.NDArray[np.int16]:
    """(n_out, row_bytes) bytes -> (n_out, n_in) levels; the inverse of `pack`."""
    return fmt.level_of_code[layout_of(fmt).unpack(rows, int(fmt.bits), n_in)]


def layout_of(fmt: Format) -> Layout:
    """The row layout of a format: consecutive bits, unless it has an entry of its own."""
    return LAYOUTS.get(fmt.name, BITS)


def _bits_row_bytes(n_in: int, bits: int) -> int:
    return -(-n_in * bits // 8)


def _pack_bits(codes: Bytes, bits: int) -> Bytes:
    """Code i of a row takes bits [i * bits, (i + 1) * bits) of the row, least significant first (SPEC 4.1)."""
    stream = (codes[..., None] >> np.arange(bits, dtype=np.uint8)) & 1  # (n_out, n_in, bits)
    return np.packbits(stream.reshape(len(codes), -1), axis=1, bitorder="little")


def _unpack_bits(rows: Bytes, bits: int, n_in: int) -> Bytes:
    stream = np.unpackbits(rows, axis=1, count=n_in * bits, bitorder="little").reshape(len(rows), n_in, bits)
    return (stream << np.arange(bits, dtype=np.uint8)).sum(axis=2, dtype=np.uint8)


TRITS = 5  # in a byte: 3^5 = 243 <= 256


def _trits_row_bytes(n_in: int, _bits: int) -> int:
    return -(-n_in // TRITS)


def _pack_trits(codes: Bytes, _bits: int) -> Bytes:
    """Five trits to a byte as the fraction v / 243 of 256, rounded up (SPEC 4.2): times 3, the carry is a trit."""
    padded = np.pad(codes, ((0, 0), (0, -codes.shape[1] % TRITS))).reshape(len(codes), -1, TRITS)
    value = (padded.astype(np.uint32) * 3 ** np.arange(TRITS - 1, -1, -1, dtype=np.uint32)).sum(axis=2)
    return ((value * 256 + 242) // 243).astype(np.uint8)


def _unpack_trits(rows: Bytes, _bits: int, n_in: int) -> Bytes:
    fraction = rows.astype(np.uint16)
    trits = []
    for _ in range(TRITS):
        fraction = fraction * 3
        trits.append(fraction >> 8)
        fraction &= 0xFF
    return np.stack(trits, axis=2).reshape(len(rows), -1)[:, :n_in].astype(np.uint8)


BITS = Layout(_bits_row_bytes, _pack_bits, _unpack_bits)
LAYOUTS = {"ternary": Layout(_trits_row_bytes, _pack_trits, _unpack_trits)}
