# SPDX-License-Identifier: Apache-2.0
"""What the bytes of an image are: its functions and tables, largest first."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from elftools.elf.elffile import ELFFile

from exporter.chips.image import MODEL, kernel_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.chips.image import Image

SAMPLES = {"hb_app_samples", "hb_app_golden"}


@dataclass(frozen=True)
class ImagePart:
    """A function or table. `kind`: kernels, app, weights or samples, as in `Sizes`; `bytes` of flash."""

    name: str
    kind: str
    bytes: int


def parts(image: Image) -> list[ImagePart]:
    """Largest first; what no symbol names, such as texts and padding, is in none. Empty where there is no ELF file."""
    elf = image.elf
    if "hb_kernels_begin" not in elf.symbols:
        return []
    kernels = kernel_code(elf)
    found = []
    for function in elf.functions:
        inside = any(begin <= function.address < end for begin, end in kernels)
        found.append(ImagePart(function.name, "kernels" if inside else "app", function.size))
    for name, source, size in _tables(elf.raw):
        kind = "weights" if source == MODEL.name else "samples" if name in SAMPLES else "app"
        found.append(ImagePart(name, kind, size))
    return sorted(found, key=lambda part: (-part.bytes, part.name))


def _tables(raw: bytes) -> Iterator[tuple[str, str, int]]:
    """(name, source file, bytes) of every object that is loaded."""
    elf = ELFFile(BytesIO(raw))
    table: Any = elf.get_section_by_name(".symtab")  # elftools has no types
    source = ""
    for symbol in table.iter_symbols():
        source = _source(symbol, source)
        if symbol["st_info"]["type"] == "STT_OBJECT" and isinstance(symbol["st_shndx"], int):
            section = elf.get_section(symbol["st_shndx"])
            if section["sh_type"] == "SHT_PROGBITS":
                yield symbol.name, source, symbol["st_size"]


def function_bytes(raw: bytes, kernel: str) -> int:
    """Bytes of a kernel's functions: the one of its name, and those that are its file's alone."""
    table: Any = ELFFile(BytesIO(raw)).get_section_by_name(".symtab")  # elftools has no types
    source, found = "", 0
    for symbol in table.iter_symbols():
        source = _source(symbol, source)
        if symbol["st_info"]["type"] == "STT_FUNC" and (symbol.name == kernel or source == f"{kernel}.c"):
            found += symbol["st_size"]
    return found


def _source(symbol: Any, before: str) -> str:  # noqa: ANN401 (elftools has no types)
    """The source of a symbol: that of the last file symbol in front of it, where it is a local one."""
    if symbol["st_info"]["type"] == "STT_FILE":
        return str(symbol.name)
    return before if symbol["st_info"]["bind"] == "STB_LOCAL" else ""
