# SPDX-License-Identifier: Apache-2.0
"""The files that flashing tools take: .bin, .hex, .uf2 and Espressif's, from the segments of a linked image."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.chips.elf import Segment

UF2_PAYLOAD = 256
UF2_FAMILY_PRESENT = 0x2000


def to_bin(segments: Sequence[Segment]) -> bytes:
    """The bytes from the lowest load address on, gaps as 0xFF."""
    base = min(segment.load for segment in segments)
    image = bytearray(b"\xff" * (max(s.load + len(s.data) for s in segments) - base))
    for segment in segments:
        image[segment.load - base : segment.load - base + len(segment.data)] = segment.data
    return bytes(image)


def to_hex(segments: Sequence[Segment], entry: int) -> str:
    """Intel HEX, 16 bytes to a line, with 32-bit addresses."""
    lines, high = [], -1
    for segment in segments:
        at = 0
        while at < len(segment.data):
            address = segment.load + at
            if address >> 16 != high:
                high = address >> 16
                lines.append(_record(0, 4, struct.pack(">H", high)))
            count = min(16, 0x10000 - (address & 0xFFFF))
            chunk = segment.data[at : at + count]
            lines.append(_record(address & 0xFFFF, 0, chunk))
            at += len(chunk)
    lines += [_record(0, 5, struct.pack(">I", entry)), _record(0, 1, b"")]
    return "\n".join(lines) + "\n"


def _record(address: int, kind: int, data: bytes) -> str:
    body = bytes([len(data), address >> 8, address & 255, kind]) + data
    return ":" + (body + bytes([-sum(body) & 255])).hex().upper()


def to_uf2(segments: Sequence[Segment], family: int) -> bytes:
    """UF2 blocks of 256 bytes, the last padded with zeros."""
    base = min(segment.load for segment in segments)
    image = to_bin(segments)
    chunks = [image[at : at + UF2_PAYLOAD] for at in range(0, len(image), UF2_PAYLOAD)]
    return b"".join(
        struct.pack(
            "<8I476sI",
            0x0A324655,
            0x9E5D5157,
            UF2_FAMILY_PRESENT,
            base + index * UF2_PAYLOAD,
            UF2_PAYLOAD,
            index,
            len(chunks),
            family,
            chunk,
            0x0AB16F30,
        )
        for index, chunk in enumerate(chunks)
    )


def to_esp(segments: Sequence[Segment], entry: int, chip: int) -> bytes:
    """Espressif's image: a header, segments padded to words, and a checksum byte at the end of a 16-byte block."""
    out = struct.pack("<4BI", 0xE9, len(segments), 0, 0, entry)
    out += struct.pack("<B3sHBHH4sB", 0xEE, b"", chip, 0, 0, 0xFFFF, b"", 0)  # no write-protect pin; any revision
    checksum = 0xEF
    for segment in segments:
        data = segment.data + bytes(-len(segment.data) % 4)
        out += struct.pack("<II", segment.address, len(data)) + data
        for byte in data:
            checksum ^= byte
    return out + bytes(15 - len(out) % 16) + bytes([checksum])
