# SPDX-License-Identifier: Apache-2.0
"""A checked-in table of emulated chips: a section for each network, a line for each image; goes on where it stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from training.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.chips.image import Options
    from exporter.graph import Graph

COLUMNS = (
    "chip",
    "built by",
    "images",
    "integers that differ",
    "flash",
    "RAM",
    "stack (bound)",
    "instructions",
    "input rule",
    "cycles",
    "",
)
HEAD = """# Networks on emulated chips

Each line is an image that was built for the chip and run on the emulated one, with the test images sent over its UART.
Integers are compared in every layer of every image, and once more in the scores of the image without trace. Bytes are
those of the linked image with the app and one stored sample in it; where code runs from RAM, RAM includes it.
Instructions and cycles are means of an inference; cycles are a model (docs/chips.md). Made, and gone on with, by

    {command}
"""


class TableFile:
    """The Markdown file; every change is written at once. Lines of another network or number of images are dropped."""

    def __init__(self, path: Path, command: str) -> None:
        self.path, self.command = path, command
        self.sections: dict[str, dict[tuple[str, str], str]] = {}
        if path.is_file():
            self._read(path.read_text(encoding="utf-8"))
        self._kept, self.sections = self.sections, {}

    def begin(self, graph: Graph, samples: str) -> str:
        """The section of a network and such as "100 images", with the lines that are there already."""
        title = f"{graph.name}, network {graph.digest}, {graph.weight_bytes:,} bytes of constants, {samples}"
        self.sections[title] = self._kept.get(title, {})
        return title

    def has(self, title: str, chip: str, options: Options) -> bool:
        """Is there a line for it?"""
        return (chip, _built(options)) in self.sections[title]

    def add(self, title: str, row: dict[str, Any], options: Options) -> None:
        """A line more, of `exporter.chips.emulate.row`."""
        cells = line_cells(row)
        cells[1] = _built(options)
        self.sections[title][cells[0], cells[1]] = _line(cells)
        self._write()

    def _read(self, text: str) -> None:
        title = ""
        for line in text.splitlines():
            if line.startswith("## "):
                title = line.removeprefix("## ")
                self.sections[title] = {}
            elif title and line.startswith("| ") and not line.startswith("| chip "):
                cells = [cell.strip() for cell in line.strip("|").split("|")]
                self.sections[title][cells[0], cells[1]] = line

    def _write(self) -> None:
        ruler = "|" + "---|" * len(COLUMNS)
        parts = [HEAD.format(command=self.command)]
        parts += [
            "\n".join([f"## {t}\n", _line(COLUMNS), ruler, *rows.values(), ""]) for t, rows in self._all().items()
        ]
        write_text(self.path, "\n".join(parts))

    def _all(self) -> dict[str, dict[tuple[str, str], str]]:
        """Sections so far, and those that are still to come as they were."""
        names = {title.split(",")[0] for title in self.sections}
        later = {title: rows for title, rows in self._kept.items() if title.split(",")[0] not in names}
        return {title: rows for title, rows in (self.sections | later).items() if rows}


def line_cells(row: dict[str, Any]) -> list[str]:
    """The cells of a line."""
    stack = "-" if row["stack"] is None else f"{row['stack']:,} ({row['stack_bound']:,})"
    keys = ("images", "mismatches", "flash", "ram")
    counts = ("instructions", "input_instructions", "cycles")
    return [
        row["chip"],
        f"{row['toolchain']} -O{row['compile']}",
        *(_number(row[key]) for key in keys),
        stack,
        *(_number(row[key]) for key in counts),
        row["note"],
    ]


def _built(options: Options) -> str:
    words = [f"{options.toolchain} -O{options.compile}"]
    words += [f"kernels in {options.kernels}"] if options.kernels != "flash" else []
    words += [f"{options.variant} kernels"] if options.variant != "auto" else []
    words += [f"for {options.optimize}"] if options.optimize else []
    words += [f"codec {options.codec}"] if options.codec else []
    words += [f"input by {options.input}"] if options.input != "auto" else []
    return ", ".join(words)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
