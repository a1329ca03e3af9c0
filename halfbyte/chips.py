# SPDX-License-Identifier: Apache-2.0
"""The verbs for chips: `halfbyte chips`, `build`, `emulate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.emulate import Report
    from exporter.image import Image, Options

screen = Console(stderr=True)
WIDTH = 110
BAR = 30  # characters of the longest bar
RunFolder = Annotated[Path, typer.Argument(help="Run folder, or a shipped model such as models/mnist-fc-12k.")]
ChipName = Annotated[str, typer.Option(help="Chip (see: halfbyte chips).")]
ToolchainName = Annotated[str, typer.Option("--toolchain", help="Compiler: zig (from pip), or gcc (the machine's).")]
Optimize = Annotated[str, typer.Option(help="Compile for size (s) or speed (2).")]
Samples = Annotated[int, typer.Option(min=0, help="Test images stored in the image.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def chips(as_json: AsJson = False) -> None:
    """The chips there is a description of: core, memory, clock, what runs them."""
    from exporter.chips import chip_rows  # noqa: PLC0415

    rows = chip_rows()
    if as_json:
        print(json.dumps(rows))
        return
    shown = [
        {
            "chip": row["chip"],
            "core": row["core"],
            "isa": row["isa"],
            "flash": f"{row['flash'] // 1024} K" if row["flash"] else "-",
            "ram": f"{row['ram'] // 1024} K",
            "MHz": row["clock_hz"] / 1e6,
            "from": row["runs_from"],
            "toolchain": ", ".join(row["toolchains"]),
            "emulator": row["emulator"],
            "on silicon": "yes" if row["silicon"] else "no",
        }
        for row in rows
    ]
    _print_rows(shown, right=("flash", "ram", "MHz"))


def build(
    folder: RunFolder,
    chip: ChipName,
    toolchain: ToolchainName = "zig",
    optimize: Optimize = "s",
    samples: Samples = 1,
    out: Annotated[Path | None, typer.Option(help="Folder of the files; default: RUN/firmware/CHIP.")] = None,
    as_json: AsJson = False,
) -> None:
    """Link a firmware image for a chip and write what its flashing tool takes."""
    from exporter.image import Options, to_json, write  # noqa: PLC0415

    image = _build(folder, chip, Options(toolchain, optimize, samples))
    paths = write(image, out or folder / "firmware" / chip)
    record = {**to_json(image), "files": [str(path) for path in paths]}
    if as_json:
        print(json.dumps(record))
        return
    _print_rows([_size_row(image)], right=("flash", "of", "weights", "samples", "code", "ram", "stack", "of RAM"))
    for path in paths:
        Console().print(str(path), highlight=False, soft_wrap=True)


def _build(folder: Path, chip: str, options: Options) -> Image:
    from exporter import image  # noqa: PLC0415
    from exporter.chips import load_chip  # noqa: PLC0415

    described = load_chip(chip)
    image.load_graph(folder)
    with screen.status(f"building for {chip}"):
        return image.build(folder, described, image.test_images(folder, options.samples), options)


def _size_row(image: Image) -> dict[str, Any]:
    sizes = image.sizes
    return {
        "chip": image.chip.name,
        "flash": f"{sizes.flash:,}",
        "of": f"{image.chip.memory_of('code').size:,}",
        "weights": f"{sizes.weights:,}",
        "samples": f"{sizes.samples:,}",
        "code": f"{sizes.code:,}",
        "ram": f"{sizes.ram:,}",
        "stack": f"{sizes.stack:,}",
        "of RAM": f"{image.chip.memory_of('data').size:,}",
    }


def _print_rows(rows: Sequence[dict[str, Any]], right: Sequence[str] = ()) -> None:
    table = Table(box=None)
    for key in rows[0]:
        table.add_column(key, justify="right" if key in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(f"{value:g}" if isinstance(value, float) else str(value) for value in row.values()))
    screen_of_80 = not Console().is_terminal  # a file or a pipe has no width of its own
    Console(width=WIDTH if screen_of_80 else None).print(table)


def emulate(
    folder: RunFolder,
    chip: ChipName,
    images: Annotated[int, typer.Option(min=1, help="Test images to send over the emulated UART.")] = 100,
    toolchain: ToolchainName = "zig",
    optimize: Optimize = "s",
    samples: Samples = 1,
    as_json: AsJson = False,
) -> None:
    """Run a firmware image on an emulated chip; compare every score and every layer. Exit code 1 on a difference."""
    from exporter import emulate as emulator  # noqa: PLC0415
    from exporter.chips import load_chip  # noqa: PLC0415
    from exporter.image import Options, load_graph, test_images  # noqa: PLC0415

    described = load_chip(chip)
    load_graph(folder)
    with screen.status("loading the test set") as status:
        x = test_images(folder, max(images, samples))[:images]
        report = emulator.emulate(folder, described, x, Options(toolchain, optimize, samples), status.update)
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        _print_report(report)
    if report.first is not None:
        screen.print(f"first difference: {report.first}", markup=False, highlight=False, soft_wrap=True)
    if report.mismatches:
        raise typer.Exit(1)


def _print_report(report: Report) -> None:
    most = max(layer.instructions for layer in report.layers)
    rows = [
        {
            "layer": layer.name,
            "op": layer.op,
            "format": layer.format,
            "differ": layer.mismatches,
            "instructions": f"{layer.instructions:,}",
            "": _bar(layer.instructions, most),
        }
        for layer in report.layers
    ]
    _print_rows(rows, right=("differ", "instructions"))
    most = max(report.functions.values())
    functions = [
        {"function": name, "instructions": f"{count:,}", "": _bar(count, most)}
        for name, count in report.functions.items()
    ]
    _print_rows(functions, right=("instructions",))
    console = Console()
    of = f"{report.name} on {report.chip} ({report.toolchain} -O{report.optimize})"
    stack = f"{report.stack:,} of stack (at most {report.stack_bound:,})"
    lines = [
        f"{of}: {report.images:,} images, {report.mismatches} integers differ",
        f"{report.instructions:,} instructions an inference, {report.input_instructions:,} for the input rule",
        f"{report.flash:,} bytes of flash, {report.ram:,} of RAM, {stack}",
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _bar(count: int, most: int) -> str:
    return "#" * round(BAR * count / most)


VERBS = (chips, build, emulate)
