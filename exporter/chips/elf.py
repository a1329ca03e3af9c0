# SPDX-License-Identifier: Apache-2.0
"""A linked image: its symbols, its code, the bytes that are loaded and where."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Symbol:
    """A function or object; the lowest bit of a Thumb function's address is cleared."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class Segment:
    """Bytes to load at `load`, which run (or are copied by the start code) at `address`."""

    address: int
    load: int
    data: bytes


@dataclass(frozen=True, eq=False)
class Elf:
    """What the rest of the exporter needs of an ELF file.

    data   [begin, end) of data inside code, from mapping symbols
    raw    the file
    stack  bytes that are set aside for the stack, where the call graph is not what bounds it
    """

    raw: bytes
    entry: int
    segments: tuple[Segment, ...]
    functions: tuple[Symbol, ...]
    symbols: dict[str, int]
    data: tuple[tuple[int, int], ...]
    stack: int | None = None

    @cached_property
    def _starts(self) -> list[int]:
        return [function.address for function in self.functions]

    def function_at(self, address: int) -> Symbol | None:
        """The function that an address lies in."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        function = self.functions[index]
        return function if address < function.address + function.size else None

    def where(self, address: int) -> str:
        """An address for people: 0x0000012c (hb_maxshift+0x1a)."""
        function = self.function_at(address)
        return f"0x{address:08x}" + (f" ({function.name}+0x{address - function.address:x})" if function else "")

    def code(self) -> list[tuple[int, bytes]]:
        """(address, bytes) of every stretch of instructions, data inside functions left out."""
        return [piece for function in self.functions for piece in self.code_of(function)]

    def code_of(self, function: Symbol) -> list[tuple[int, bytes]]:
        """(address, bytes) of the instructions of one function."""
        at, end, found = function.address, function.address + function.size, []
        for begin, stop in self.data:
            if begin < end and stop > at:
                found.append((at, self.read(at, begin - at)))
                at = stop
        found.append((at, self.read(at, end - at)))
        return [(address, data) for address, data in found if data]

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the image as the core sees them; b"" for a size that is not positive."""
        for segment in self.segments:
            if size > 0 and segment.address <= address and address + size <= segment.address + len(segment.data):
                offset = address - segment.address
                return segment.data[offset : offset + size]
        return b""


def read_elf(path: Path) -> Elf:
    """The image in a file that a linker wrote."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        thumb = elf["e_machine"] == "EM_ARM"
        # the functions of libgcc for AVR have sizes, but no type
        types = {"STT_FUNC", "STT_NOTYPE"} if elf["e_machine"] == "EM_AVR" else {"STT_FUNC"}
        segments = tuple(
            Segment(s["p_vaddr"], s["p_paddr"], s.data())
            for s in elf.iter_segments()
            if s["p_type"] == "PT_LOAD" and s["p_filesz"]
        )
        table: list[Any] = [s for section in elf.iter_sections() for s in getattr(section, "iter_symbols", list)()]
        code = [
            (s["sh_addr"], s["sh_addr"] + s["sh_size"])
            for s in elf.iter_sections()
            if s["sh_flags"] & 4 and s["sh_size"]
        ]
        entry = elf["e_entry"]
    symbols = {s.name: s["st_value"] for s in table if s.name and s["st_shndx"] != "SHN_UNDEF"}
    functions = {
        s["st_value"] & ~int(thumb): s
        for s in table
        if s["st_info"]["type"] in types and s["st_shndx"] != "SHN_UNDEF" and (s["st_size"] or _is_function(s))
    }
    marks = sorted((s["st_value"], s.name[:2]) for s in table if s.name[:2] in {"$t", "$d", "$x"})
    ends = sorted({end for _, end in code} | {begin for begin, _ in marks} | set(functions))
    return Elf(
        path.read_bytes(),
        entry,
        segments,
        tuple(Symbol(s.name, at, s["st_size"] or _next(ends, at) - at) for at, s in sorted(functions.items())),
        symbols,
        tuple(
            (at, next((a for a, other in marks[i + 1 :] if other != mark), _next([e for _, e in sorted(code)], at)))
            for i, (at, mark) in enumerate(marks)
            if mark == "$d" and any(begin <= at < end for begin, end in code)
        ),
    )


def _is_function(symbol: Any) -> bool:  # noqa: ANN401 (elftools has no types)
    return bool(symbol["st_info"]["type"] == "STT_FUNC")


def _next(ends: list[int], at: int) -> int:
    return next((end for end in ends if end > at), at)
