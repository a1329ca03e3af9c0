# SPDX-License-Identifier: Apache-2.0
"""IDX files, the array format of MNIST and its relatives, gzipped or not.

    byte 0, 1       byte 2    byte 3    bytes 4 ...             then
    .-------------+---------+---------+-----------------------+------------------------.
    | 0         0 | type    | n_dims  | n_dims sizes, uint32, | items, row-major,      |
    |             |         |         | big-endian            | big-endian             |
    `-------------+---------+---------+-----------------------+------------------------'

type 0x08 uint8, 0x09 int8, 0x0B int16; the other types of the format hold no pixels and are refused.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from pathlib import Path

TYPES: dict[int, np.dtype[Any]] = {0x08: np.dtype(np.uint8), 0x09: np.dtype(np.int8), 0x0B: np.dtype(">i2")}
GZIP_MAGIC = b"\x1f\x8b"


def read(path: Path) -> npt.NDArray[np.integer]:
    """The array in an IDX file, in native byte order; HalfbyteError where the file is missing or damaged."""
    return parse(content(path), path)


def content(path: Path) -> bytes:
    """The bytes of a file, unpacked if it is gzipped, whatever its name; HalfbyteError where that fails."""
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw.startswith(GZIP_MAGIC) else raw
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise _damaged(path, f"its gzip stream is broken ({error})") from None
        raise HalfbyteError(f"{path}: cannot be read: {error.strerror}; check the path and its permissions") from None
    except (EOFError, zlib.error) as error:
        raise _damaged(path, f"its gzip stream is broken ({error})") from None


def parse(data: bytes, path: Path) -> npt.NDArray[np.integer]:
    """The array in the unpacked bytes of an IDX file; `path` is for messages only."""
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES or data[3] == 0:
        raise _damaged(path, f"it starts with {data[:4].hex(' ') or 'nothing'}, not with the mark of an IDX file")
    dtype, n_dims = TYPES[data[2]], data[3]
    start = 4 + 4 * n_dims
    if len(data) < start:
        raise _damaged(path, f"it ends inside its header, after {len(data)} of {start} bytes")
    shape = struct.unpack_from(f">{n_dims}I", data, 4)
    expected = start + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise _damaged(path, f"shape {shape} of its header needs {expected} bytes, it has {len(data)}")
    items: npt.NDArray[np.integer] = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return items.astype(dtype.newbyteorder("="))


def _damaged(path: Path, what: str) -> HalfbyteError:
    return HalfbyteError(f"{path}: damaged or not an IDX file: {what}; delete it and fetch it again")
