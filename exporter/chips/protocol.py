# SPDX-License-Identifier: Apache-2.0
"""Frames between a host and the app (SPEC 9): 0xA5, type, length, payload, CRC-32."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

SYNC = 0xA5
INFO, RUN, ROW, REPLY, ERROR = 0x01, 0x02, 0x03, 0x80, 0xFF
ERRORS = {1: "bad CRC", 2: "wrong length", 3: "unknown type", 4: "frame cut off", 5: "row out of order"}
HEAD, TAIL = 4, 4  # bytes before and behind the payload
MOST = 65535  # bytes of a payload
INFO_BYTES = 24  # of the payload that answers INFO


@dataclass(frozen=True)
class Info:
    """What is on the board: digest of the network, bytes of a raw sample, number of scores.

    rows  that a sample is sent in, each in a frame of its own; 0: all of it in one frame
    """

    digest: str
    raw_bytes: int
    n_scores: int
    rows: int = 0


def frame(kind: int, payload: bytes = b"") -> bytes:
    """A frame as bytes."""
    body = struct.pack("<BH", kind, len(payload)) + payload
    return bytes([SYNC]) + body + struct.pack("<I", zlib.crc32(body))


def sample(x: npt.NDArray[np.integer], dtype: str) -> bytes:
    """A raw sample as the payload of RUN."""
    return np.ascontiguousarray(x, np.dtype(dtype).newbyteorder("<")).tobytes()


def requests(x: npt.NDArray[np.integer], dtype: str, rows: int) -> list[tuple[int, bytes]]:
    """Type and payload of the frames that a raw sample is sent in; the answer to the last one has the scores."""
    whole = sample(x, dtype)
    size = len(whole) // max(rows, 1)
    return [(ROW, struct.pack("<H", y) + whole[y * size : (y + 1) * size]) for y in range(rows)] or [(RUN, whole)]


def info_sizes(raw_bytes: int, rows: int, n_scores: int) -> bytes:
    """The end of the answer to INFO: bytes of a sample, or bytes of a row and rows; number of scores."""
    return struct.pack("<II", raw_bytes // rows | rows << 16 if rows else raw_bytes, n_scores)


def head(data: bytes | bytearray) -> tuple[int, int]:
    """Type and length of the frame that the data begins with."""
    kind, length = struct.unpack_from("<BH", data, 1)
    return kind, length


def parse(data: bytes | bytearray) -> tuple[int, bytes] | None:
    """Type and payload of the frame that the data begins with, None while it is not whole; ValueError if damaged."""
    if data and data[0] != SYNC:
        raise ValueError(f"a frame begins with 0x{SYNC:02X}, not with 0x{data[0]:02X}")
    if len(data) < HEAD:
        return None
    kind, length = head(data)
    if len(data) < HEAD + length + TAIL:
        return None
    body = bytes(data[1 : HEAD + length])
    (crc,) = struct.unpack_from("<I", data, HEAD + length)
    if crc != zlib.crc32(body):
        raise ValueError("a frame came with a wrong CRC")
    return kind, body[3:]


def parse_info(payload: bytes) -> Info:
    """The answer to INFO; ValueError where it is none."""
    if len(payload) != INFO_BYTES or not payload[:16].isalnum():
        raise ValueError(f"the board says that it is {payload!r}, not which network it runs")
    digest, size, rows, n_scores = struct.unpack("<16sHHI", payload)
    return Info(digest.decode("ascii"), size * max(rows, 1), n_scores, rows)


def error_text(payload: bytes) -> str:
    """The reason in an ERROR reply."""
    return ERRORS.get(payload[0] if payload else 0, f"error {payload.hex()}")
