# SPDX-License-Identifier: Apache-2.0
"""radix: weights of N levels as the digits of numbers of 16 bits, any N from 1 to 32, in columns (SPEC 4.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter.codecs.base import codec
from exporter.codecs.levels import pack_table, table_of, unpack_table

if TYPE_CHECKING:
    from exporter.codecs.base import Bytes, Ints, Levels

ONE = 1 << 16  # what a word is a fraction of


def digits(base: int) -> int:
    """How many digits a word holds: the most with base^digits <= 2^16."""
    return next(k for k in range(16, 0, -1) if base**k <= ONE)


def pack(levels: Levels) -> Bytes:
    """(n_out, n_in) levels -> the stream."""
    found = table_of(levels)
    base, (n_out, n_in) = len(found), levels.shape
    k = digits(base)
    symbols = np.searchsorted(found, levels.T).astype(np.int64)  # (n_in, n_out)
    padded = np.pad(symbols, ((0, 0), (0, -n_out % k))).reshape(n_in, -(-n_out // k), k)
    value = (padded * base ** np.arange(k - 1, -1, -1)).sum(axis=2)
    words = (value * ONE + base**k - 1) // base**k
    return np.concatenate([np.array([k], np.uint8), pack_table(found), words.astype("<u2").view(np.uint8).ravel()])


def unpack(data: Bytes, n_out: int, n_in: int) -> Ints:
    """The inverse of `pack`."""
    k = int(data[0])
    level, behind = unpack_table(data[1:])
    n_words = -(-n_out // k)
    fraction = behind[: 2 * n_words * n_in].view("<u2").astype(np.int64).reshape(n_in, n_words)
    found = np.zeros((n_in, n_words, k), np.int64)
    for digit in range(k):
        fraction = fraction * len(level)
        found[:, :, digit] = fraction >> 16
        fraction &= ONE - 1
    return level[found.reshape(n_in, n_words * k)[:, :n_out]].T


def steps(levels: Levels) -> float:
    """Weights; the products of an input take their time, too."""
    return levels.size + 6.0 * levels.shape[1]


RADIX = codec("radix", pack, unpack, steps)
