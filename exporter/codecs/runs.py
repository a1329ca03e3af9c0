# SPDX-License-Identifier: Apache-2.0
"""runs: a byte for each weight that is not 0: how many zeros are in front of it, and its level (SPEC 4.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter.codecs.base import CodecError, codec
from exporter.codecs.levels import pack_table, table_of, unpack_table

if TYPE_CHECKING:
    from exporter.codecs.base import Bytes, Ints, Levels

BYTE = 8
GAPS = (3, 4, 5, 6, 7)  # bits of a byte that say how many zeros; the others are the number of a level


def pack(levels: Levels) -> Bytes:
    """(n_out, n_in) levels -> the stream, with the split of a byte that makes it shortest."""
    made = [found for gap in GAPS if (found := _pack(levels, gap)) is not None]
    if not made:
        raise CodecError(f"{len(np.unique(levels[levels != 0]))} distinct levels beside 0, its table holds 32")
    return min(made, key=len)


def _pack(levels: Levels, gap: int) -> Bytes | None:
    """None where the table does not hold the levels."""
    weights = levels.T.ravel()
    at = np.append(np.flatnonzero(weights), weights.size)  # the last is the end
    zeros = np.diff(at, prepend=-1) - 1
    passed = zeros >> gap  # entries of 0 in front of each, 2^gap weights long
    used = weights if passed.any() else weights[weights != 0]
    room = 1 << (BYTE - gap)
    if len(np.unique(used)) > room:
        return None
    found = table_of(used, room)
    codes = np.append(np.searchsorted(found, weights[at[:-1]]), 0)
    full = (np.searchsorted(found, 0) << gap) + (1 << gap) - 1
    entries = np.full(len(at) + int(passed.sum()), full)
    entries[np.cumsum(passed + 1) - 1] = codes << gap | (zeros & ((1 << gap) - 1))
    return np.concatenate([np.array([gap], np.uint8), pack_table(found), entries.astype(np.uint8)])


def unpack(data: Bytes, n_out: int, n_in: int) -> Ints:
    """The inverse of `pack`."""
    gap = int(data[0])
    level, behind = unpack_table(data[1:])
    entries = behind.astype(np.int64)
    at = np.cumsum((entries & ((1 << gap) - 1)) + 1) - 1
    weights = np.zeros(n_out * n_in, np.int64)
    weights[at[:-1]] = level[entries[:-1] >> gap]
    return weights.reshape(n_in, n_out).T


def steps(levels: Levels) -> float:
    """Weights that are not 0; the products of an input take their time, too."""
    return np.count_nonzero(levels) + 6.0 * levels.shape[1]


RUNS = codec("runs", pack, unpack, steps)
