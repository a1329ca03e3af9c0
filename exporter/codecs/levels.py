# SPDX-License-Identifier: Apache-2.0
"""The table of a tensor's distinct levels in the head of a stream (SPEC 4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter.codecs.base import CodecError

if TYPE_CHECKING:
    from exporter.codecs.base import Bytes, Ints, Levels

LEVELS = 32  # that a table holds
MOST = 127  # that the smallest one can be
APART = 255  # two neighbours at most
HEAD = 3  # bytes of the table in front of levels that are not evenly spaced


def table_of(levels: Levels, room: int = LEVELS) -> Ints:
    """The distinct levels, smallest first; with those between them, where that makes them even and there is room.

    CodecError where they are too many or too far apart.
    """
    found = np.unique(levels).astype(np.int64)
    found = np.zeros(1, np.int64) if len(found) == 0 else found
    apart = np.diff(found)
    if len(found) > room:
        raise CodecError(f"{len(found)} distinct levels, its table holds {room}")
    if found[0] > MOST or apart.max(initial=0) > APART:
        raise CodecError(f"its table does not hold the levels {', '.join(map(str, found))}")
    step = int(np.gcd.reduce(apart)) or 1
    even = np.arange(found[0], found[-1] + 1, step)
    return even if len(even) <= room else found


def pack_table(found: Ints) -> Bytes:
    """Levels of `table_of` as they stand in a stream."""
    apart = np.diff(found)
    even = len(apart) == 0 or bool((apart == apart[0]).all())
    head = [len(found), int(found[0]) & 255, int(apart[0]) if even and len(apart) else int(even)]
    return np.array([*head, *([] if even else [0, *apart])], np.uint8)


def unpack_table(data: Bytes) -> tuple[Ints, Bytes]:
    """The levels at the head of a stream, and what stands behind them."""
    n, first, step = int(data[0]), int(data[1:2].view(np.int8)[0]), int(data[2])
    if step:
        return first + step * np.arange(n), data[HEAD:]
    return first + np.cumsum(data[HEAD : HEAD + n].astype(np.int64)), data[HEAD + n :]
