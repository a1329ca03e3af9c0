# SPDX-License-Identifier: Apache-2.0
"""The layout of the kernels that go input by input and skip the zeros: a column of codes together (SPEC 4.3, 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter.ops import Linear, Op, Table
from exporter.pack import BITS, LAYOUTS
from training.formats import get_format

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

WORD = 32
TRITS = 5  # in a byte: 3^5 = 243 <= 256


def pack_columns(
    codes: npt.NDArray[np.uint8], bits: int, blocks: tuple[int, ...] = (WORD, 8)
) -> npt.NDArray[np.uint32]:
    """(n_out, n_in) codes of 1, 2, 4 or 8 bits -> words.

    blocks[0] / bits outputs are a block: that many bits for each input, output k of the block in bits [k * bits,
    (k + 1) * bits) of them. Of the outputs left over, as many as fill blocks[1] bits are a block too, and so on; the
    last ones, which do not, are rows of consecutive codes (SPEC 4.1), each beginning a new byte.
    """
    n_out, n_in = codes.shape
    parts: list[npt.NDArray[np.uint8]] = []
    at = 0
    for width in (block // bits for block in blocks):
        while n_out - at >= width:
            column = codes[at : at + width].astype(np.uint64)  # (width, n_in)
            word = (column << (np.arange(width, dtype=np.uint64) * bits)[:, None]).sum(axis=0, dtype=np.uint64)
            parts.append(word.astype(f"<u{width * bits // 8}").view(np.uint8))
            at += width
    stream = (codes[at:, :, None] >> np.arange(bits, dtype=np.uint8)) & 1
    parts.append(np.packbits(stream.reshape(n_out - at, n_in * bits), axis=1, bitorder="little"))
    return _words(parts)


def unpack_columns(
    words: npt.NDArray[np.uint32], bits: int, n_out: int, n_in: int, blocks: tuple[int, ...] = (WORD, 8)
) -> npt.NDArray[np.uint8]:
    """(n_out, n_in) codes; the inverse of `pack_columns`."""
    stream = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    codes = np.empty((n_out, n_in), np.uint8)
    weights = 1 << np.arange(bits, dtype=np.uint8)
    at = bit = 0
    for width in (block // bits for block in blocks):
        while n_out - at >= width:
            block = stream[bit : bit + n_in * width * bits].reshape(n_in, width, bits)
            codes[at : at + width] = (block * weights).sum(axis=2, dtype=np.uint8).T
            at, bit = at + width, bit + block.size
    for row in range(at, n_out):
        codes[row] = (stream[bit : bit + n_in * bits].reshape(n_in, bits) * weights).sum(axis=1, dtype=np.uint8)
        bit += -(-n_in * bits // 8) * 8
    return codes


def pack_4_and_1(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """(n_out, n_in) codes of 5 bits -> words.

    Of every 8 outputs the lower 4 bits, as `pack_columns` has them; then of all these outputs the upper bits, a byte
    for each input; the outputs left over are rows (SPEC 4.1).
    """
    whole = len(codes) - len(codes) % 8
    lower = pack_columns(codes[:whole] & np.uint8(15), 4)
    upper = pack_columns(codes[:whole] >> np.uint8(4), 1, (8,)).astype("<u4").view(np.uint8)
    rows = [BITS.pack(codes[whole:], 5)] if whole < len(codes) else []
    return _words([lower.astype("<u4").view(np.uint8), upper[: whole // 8 * codes.shape[1]], *rows])


def unpack_4_and_1(words: npt.NDArray[np.uint32], n_out: int, n_in: int) -> npt.NDArray[np.uint8]:
    """(n_out, n_in) codes; the inverse of `pack_4_and_1`."""
    stream = words.astype("<u4").view(np.uint8)
    blocks = n_out // 8
    lower = unpack_columns(words, 4, blocks * 8, n_in)
    upper = stream[4 * blocks * n_in :][: blocks * n_in].reshape(blocks, 1, n_in)
    codes = lower + np.uint8(16) * (upper >> np.arange(8, dtype=np.uint8)[:, None] & 1).reshape(-1, n_in)
    if n_out == len(codes):
        return codes
    rows = stream[5 * blocks * n_in :][: (n_out % 8) * -(-n_in * 5 // 8)].reshape(n_out % 8, -1)
    return np.concatenate([codes, BITS.unpack(rows, 5, n_in)])


def pack_trits(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """(n_out, n_in) ternary codes -> words.

    10 outputs are a block: two bytes for each input, the first one of outputs 0 ... 4, the second of 5 ... 9; code k of
    the five counts 3^k. 5 outputs left over are a column of such bytes, the others are rows (SPEC 4.2).
    """
    n_out, n_in = codes.shape
    whole = n_out - n_out % TRITS
    groups = codes[:whole].reshape(-1, TRITS, n_in)
    value = (groups * 3 ** np.arange(TRITS, dtype=np.uint8)[:, None]).sum(axis=1, dtype=np.uint8)  # (groups, n_in)
    pairs = len(value) // 2 * 2
    blocks = value[:pairs].reshape(-1, 2, n_in).transpose(0, 2, 1)
    rows = [LAYOUTS["ternary"].pack(codes[whole:], 0)] if whole < n_out else []
    return _words([blocks, value[pairs:], *rows])


def unpack_trits(words: npt.NDArray[np.uint32], n_out: int, n_in: int) -> npt.NDArray[np.uint8]:
    """(n_out, n_in) codes; the inverse of `pack_trits`."""
    stream = words.astype("<u4").view(np.uint8)
    whole = n_out // TRITS
    pairs = whole // 2 * 2
    blocks = stream[: pairs * n_in].reshape(-1, n_in, 2).transpose(0, 2, 1).reshape(pairs, n_in)
    value = np.concatenate([blocks, stream[pairs * n_in : whole * n_in].reshape(-1, n_in)])
    codes = value[:, None, :] // 3 ** np.arange(TRITS, dtype=np.uint8)[:, None] % 3
    codes = codes.reshape(-1, n_in)
    left = n_out - len(codes)
    if left == 0:
        return codes
    rows = stream[whole * n_in :][: left * -(-n_in // TRITS)].reshape(left, -1)
    return np.concatenate([codes, LAYOUTS["ternary"].unpack(rows, 0, n_in)])


def _words(parts: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint32]:
    """The parts one after the other, filled up with 0 to whole words."""
    found = np.concatenate([part.ravel() for part in parts])
    return np.pad(found, (0, -len(found) % 4)).view("<u4").astype(np.uint32)


def _of_bits(bits: int, *blocks: int) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint32]]:
    return lambda codes: pack_columns(codes, bits, blocks or (WORD, 8))


# Format -> (n_out, n_in) codes -> words.
PACKERS: dict[str, Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint32]]] = {
    "binary": _of_bits(1),
    "sym2": _of_bits(2),
    "sym4": _of_bits(4),
    "int4": _of_bits(4),
    "shift4": _of_bits(4),
    "nf4": _of_bits(4),
    "ternary": pack_trits,
    "sym5": pack_4_and_1,
    "int8": _of_bits(8, WORD),
}


def weights_in_columns(op: Op) -> Table | None:
    """The weights of a linear layer; None for any other operation."""
    if not isinstance(op, Linear) or op.format not in PACKERS:
        return None
    codes = get_format(op.format).code_of_level(op.w)
    return Table("w", "uint32_t", PACKERS[op.format](codes), op.w.size)
