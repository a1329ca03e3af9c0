# SPDX-License-Identifier: Apache-2.0
"""Layouts: how the codes of a weight matrix lie in bytes (SPEC 4), packing and unpacking side by side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.formats import Format

TRITS = 5  # trits in a byte: 3^5 = 243 <= 256

Bytes = npt.NDArray[np.uint8]


def row_bytes(fmt: Format, n_in: int) -> int:
    """Bytes of one packed row of n_in weights."""
    return -(-n_in // TRITS) if fmt.name == "ternary" else -(-n_in * int(fmt.bits) // 8)


def pack(fmt: Format, levels: npt.NDArray[np.integer]) -> Bytes:
    """(n_out, n_in) levels -> (n_out, row_bytes) bytes."""
    packer = _pack_trits if fmt.name == "ternary" else _pack_bits
    return packer(fmt.code_of_level(levels), int(fmt.bits))


def unpack(fmt: Format, rows: Bytes, n_in: int) -> npt.NDArray[np.int16]:
    """(n_out, row_bytes) bytes -> (n_out, n_in) levels; the inverse of `pack`."""
    unpacker = _unpack_trits if fmt.name == "ternary" else _unpack_bits
    return fmt.level_of_code[unpacker(rows, int(fmt.bits), n_in)]


def _pack_bits(codes: Bytes, bits: int) -> Bytes:
    """Code i of a row takes bits [i * bits, (i + 1) * bits) of the row, least significant first (SPEC 4.1)."""
    stream = (codes[..., None] >> np.arange(bits, dtype=np.uint8)) & 1  # (n_out, n_in, bits)
    return np.packbits(stream.reshape(len(codes), -1), axis=1, bitorder="little")


def _unpack_bits(rows: Bytes, bits: int, n_in: int) -> Bytes:
    stream = np.unpackbits(rows, axis=1, count=n_in * bits, bitorder="little").reshape(len(rows), n_in, bits)
    return (stream << np.arange(bits, dtype=np.uint8)).sum(axis=2, dtype=np.uint8)


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
