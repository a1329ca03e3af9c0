# SPDX-License-Identifier: Apache-2.0
"""The verbs for chips: `halfbyte chips`, `fit`, `build`, `emulate`, `flash`, `talk`."""

from __future__ import annotations

import itertools
import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from exporter.chips.chip import Chip
    from exporter.chips.emulate import Report
    from exporter.chips.fit import Fit
    from exporter.chips.image import Image, Options
    from exporter.chips.storing import Way

screen = Console(stderr=True)
WIDTH = 110
LARGEST = 16  # parts of an image that `build` shows
BAR = 30  # characters of the longest bar
NOTE = 30  # characters of a note that fit into a row
ALL = "all"
RANDOM = "random samples"  # in place of test images
RunFolder = Annotated[Path, typer.Argument(help="Run folder, or a shipped model such as models/mnist-fc-12k.")]
ChipName = Annotated[str, typer.Option(help="Chip (see: halfbyte chips).")]
ToolchainName = Annotated[str, typer.Option("--toolchain", help="Compiler: zig (from pip), or gcc (the machine's).")]
Compile = Annotated[
    str, typer.Option("--compile", help="Compile for size (s) or speed (2), or only kernels for speed (mix).")
]
Kernels = Annotated[str, typer.Option(help="Run kernels from flash, or from ram: faster where flash has wait states.")]
Variant = Annotated[str, typer.Option(help="Kernels: auto is the fastest that fits, or portable, or one variant's.")]
Optimize = Annotated[
    str | None,
    typer.Option(help="Store weights for speed, size or a balance; default: as exported, coded where flash is short."),
]
CodecName = Annotated[str | None, typer.Option("--codec", help="The codec of all weights instead, or plain.")]
Input = Annotated[
    str, typer.Option("--input", help="The app keeps the whole sample (frame), or a row at a time; auto: what fits.")
]
Samples = Annotated[int, typer.Option(min=0, help="Test images stored in the image.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def chips(as_json: AsJson = False) -> None:
    """The chips there is a description of: core, memory, clock, what runs them."""
    from exporter.chips.chip import chip_rows  # noqa: PLC0415

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
            "MHz": row["clock_hz"] / 1e6 if row["clock_hz"] else "-",
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
    compile_: Compile = "s",
    kernels: Kernels = "flash",
    variant: Variant = "auto",
    optimize: Optimize = None,
    codec: CodecName = None,
    input_: Input = "auto",
    samples: Samples = 1,
    out: Annotated[Path | None, typer.Option(help="Folder of the files; default: RUN/firmware/CHIP.")] = None,
    as_json: AsJson = False,
) -> None:
    """Link a firmware image for a chip and write what its flashing tool takes."""
    from exporter.chips.image import Options, to_json, write  # noqa: PLC0415
    from exporter.chips.parts import parts  # noqa: PLC0415

    how = _how(variant, optimize, codec)
    image = _build(folder, chip, Options(toolchain, compile_, samples, kernels=kernels, input=input_, **how))
    paths = write(image, out or folder / "firmware" / chip)
    listed = parts(image)
    record = {**to_json(image), "parts": [asdict(part) for part in listed], "files": [str(path) for path in paths]}
    if as_json:
        print(json.dumps(record))
        return
    sizes = _size_row(image)
    _print_rows([sizes], right=tuple(sizes)[1:])
    rows = [{"part": part.name, "of": part.kind, "bytes": f"{part.bytes:,}"} for part in listed[:LARGEST]]
    if rows:
        _print_rows(rows, right=("bytes",))
    for path in paths:
        Console().print(str(path), highlight=False, soft_wrap=True)


def _how(variant: str, optimize: str | None, codec: str | None) -> dict[str, Any]:
    """Options that say how weights are stored."""
    return {"variant": variant, "optimize": optimize, "codec": codec}


def _build(folder: Path, chip: str, options: Options) -> Image:
    from exporter.chips import image  # noqa: PLC0415
    from exporter.chips.chip import load_chip  # noqa: PLC0415
    from exporter.graph import load_graph  # noqa: PLC0415

    described = load_chip(chip)
    load_graph(folder)
    with screen.status(f"building for {chip}"):
        return image.build(folder, described, _samples(folder, options.samples), options)


def _samples(folder: Path, count: int) -> npt.NDArray[np.integer]:
    """Test images of a run, random samples of what has no recipe, with a note."""
    from exporter.chips.image import load_samples  # noqa: PLC0415
    from exporter.graph import has_recipe  # noqa: PLC0415

    if not has_recipe(folder):
        screen.print(f"note: {RANDOM}: {folder} has no recipe", markup=False, highlight=False, soft_wrap=True)
    return load_samples(folder, count)


def _size_row(image: Image) -> dict[str, Any]:
    sizes = image.sizes
    return {
        "chip": image.chip.name,
        "flash": f"{sizes.flash:,}",
        "of": f"{image.chip.memory_of('code').size:,}",
        "weights": f"{sizes.weights:,}",
        "samples": f"{sizes.samples:,}",
        "kernels": f"{sizes.kernels:,}",
        "app": f"{sizes.app:,}",
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
    folders: Annotated[list[Path], typer.Argument(help="Run folders or shipped models; several make a table each.")],
    chip: ChipName,
    images: Annotated[int, typer.Option(min=1, help="Test images to send over the emulated UART.")] = 100,
    toolchain: ToolchainName = "zig",
    compile_: Compile = "s",
    kernels: Kernels = "flash",
    variant: Variant = "auto",
    optimize: Optimize = None,
    codec: CodecName = None,
    input_: Input = "auto",
    samples: Samples = 1,
    table: Annotated[
        Path | None, typer.Option(help="Markdown file of the rows; goes on with one that is there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a firmware image on an emulated chip; compare every score and every layer. Exit code 1 on a difference.

    `all` as --chip, --toolchain, --compile or --kernels goes through all of them and prints a row for each, as several
    runs do; --table keeps the rows in a file as well. Without --json, and where matplotlib is installed,
    RUN/firmware/CHIP/instructions.png shows where the instructions go.
    """
    from exporter.chips.image import Options  # noqa: PLC0415
    from exporter.graph import has_recipe, load_graph  # noqa: PLC0415

    how = _how(variant, optimize, codec)
    options = Options(toolchain, compile_, samples, kernels=kernels, input=input_, **how)
    words = {"chip": chip, "toolchain": toolchain, "compile": compile_, "kernels": kernels}
    if ALL in words.values() or len(folders) > 1 or table:
        _emulate_all(folders, words, images, options, table, as_json=as_json)
        return
    (folder,) = folders
    from exporter.chips import emulate as emulator  # noqa: PLC0415
    from exporter.chips.chip import load_chip  # noqa: PLC0415
    from exporter.chips.plots import plot_instructions  # noqa: PLC0415

    described = load_chip(chip)
    load_graph(folder)
    with screen.status("loading the test set") as status:
        x = _samples(folder, max(images, samples))
        report = emulator.emulate(folder, described, x[:images], options, status.update, stored=x)
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        _print_report(report, described, "images" if has_recipe(folder) else RANDOM)
        picture = folder / "firmware" / chip / "instructions.png"
        try:
            if plot_instructions(report, picture):
                Console().print(str(picture), highlight=False, soft_wrap=True)
        except OSError as error:  # the numbers are there, a folder that cannot be written takes nothing from them
            screen.print(f"note: no picture: {picture}: {error.strerror}", markup=False, soft_wrap=True)
    if report.first is not None:
        screen.print(f"first difference: {report.first}", markup=False, highlight=False, soft_wrap=True)
    if report.mismatches:
        raise typer.Exit(1)


def _emulate_all(
    folders: Sequence[Path],
    words: dict[str, str],
    images: int,
    options: Options,
    table: Path | None,
    *,
    as_json: bool,
) -> None:
    from exporter.chips.chip import chip_names, load_chip  # noqa: PLC0415
    from exporter.chips.emulate import REASONS, row  # noqa: PLC0415
    from exporter.chips.image import KERNELS  # noqa: PLC0415
    from exporter.chips.tablefile import TableFile  # noqa: PLC0415
    from exporter.chips.toolchain import COMPILE, TOOLCHAINS  # noqa: PLC0415
    from exporter.graph import has_recipe, load_graph  # noqa: PLC0415

    graphs = {folder: load_graph(folder) for folder in folders}
    every: tuple[Iterable[str], ...] = (chip_names(), TOOLCHAINS, COMPILE, KERNELS)
    chosen = [_choices(option, word, all_) for (option, word), all_ in zip(words.items(), every, strict=True)]
    choices = list(itertools.product(*chosen))
    file = TableFile(table, _table_command(folders, words, images, options, table)) if table else None
    found: list[dict[str, Any]] = []
    with Progress(console=screen) as bars:
        task = bars.add_task("emulating", total=len(folders) * len(choices))
        for folder, graph in graphs.items():
            x = _samples(folder, max(images, options.samples))
            kind = "images" if has_recipe(folder) else RANDOM
            title = file.begin(graph, f"{images} {kind}") if file else ""
            rows = []
            for name, compiler, level, place in choices:
                wanted = replace(options, toolchain=compiler, compile=level, kernels=place)
                if file is None or not file.has(title, name, wanted):
                    rows.append(row(folder, load_chip(name), x[:images], wanted, x))
                    if file:
                        file.add(title, rows[-1], wanted)
                bars.advance(task)
            if rows and not as_json:
                text = f"{graph.name}, {graph.weight_bytes:,} bytes of constants"
                Console().print(text, highlight=False, soft_wrap=True)
                _print_rows([_short(one) for one in rows], right=tuple(_short(rows[0]))[2:-1])
            found += [{"network": graph.name, **one} for one in rows]
    if as_json:
        print(json.dumps(found))
    failed = [one["note"] for one in found if one["note"] not in {"", *REASONS}]
    for note in failed:
        screen.print(note, markup=False, highlight=False, soft_wrap=True)
    if failed or any(one["mismatches"] for one in found):
        raise typer.Exit(1)


def _table_command(folders: Sequence[Path], words: dict[str, str], images: int, options: Options, table: Path) -> str:
    """What makes a table again."""
    set_ = {"variant": options.variant, "input": options.input, "optimize": options.optimize, "codec": options.codec}
    words |= {option: word for option, word in set_.items() if word not in {"auto", None}}
    words |= {"images": str(images), "table": str(table)}
    texts = [text for option, word in words.items() for text in (f"--{option}", word)]
    return shlex.join(["halfbyte", "emulate", *map(str, folders), *texts])


def _choices(option: str, word: str, every: Iterable[str]) -> list[str]:
    """What an option of a table asks for: one of them, or all."""
    if word not in {ALL, *every}:
        raise HalfbyteError(f"--{option} {word}: expected one of {', '.join(every)}, {ALL}")
    return list(every) if word == ALL else [word]


def _short(one: dict[str, Any]) -> dict[str, str]:
    """A row as it is printed: fewer and shorter columns."""
    return {
        "chip": one["chip"],
        "built by": f"{one['toolchain']} -O{one['compile']}",
        "images": _cell(one["images"]),
        "differ": _cell(one["mismatches"]),
        "flash": _cell(one["flash"]),
        "RAM": _cell(one["ram"]),
        "stack": _cell(one["stack"]),
        "instructions": _cell(one["instructions"]),
        "input": _cell(one["input_instructions"]),
        "cycles": _cell(one["cycles"]),
        "": one["note"] if len(one["note"]) < NOTE else "failed, see below",
    }


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _print_report(report: Report, chip: Chip, kind: str) -> None:
    most = max(layer.instructions or 0 for layer in report.layers)
    rows = [
        {
            "layer": layer.name,
            "op": layer.op,
            "format": layer.format,
            "kernel": layer.variant if layer.format != "-" else "-",
            "differ": layer.mismatches,
            "instructions": _cell(layer.instructions),
            "": _bar(layer.instructions or 0, most),
        }
        for layer in report.layers
    ]
    _print_rows(rows, right=("differ", "instructions"))
    most = max(report.functions.values(), default=0)
    functions = [
        {"function": name, "instructions": f"{count:,}", "": _bar(count, most)}
        for name, count in report.functions.items()
    ]
    if functions:
        _print_rows(functions, right=("instructions",))
    console = Console()
    of = f"{report.name} on {report.chip} ({report.toolchain} -O{report.compile})"
    ram, data = report.ram + report.stack_bound, f"{report.ram:,} of data"
    stack = f"at most {report.stack_bound:,} of stack ({report.stack:,} seen)"
    ms = 1000 * (report.cycles or 0) / (chip.clock_hz or 1)
    source = "by the model of the core" if chip.cycles else f"by {chip.emulator}"
    run, rule = _cell(report.instructions), _cell(report.input_instructions)
    lines = [
        f"{of}: {report.images:,} {kind}, {report.mismatches} integers differ",
        f"{run} instructions an inference, {rule} for the input rule",
        *([] if report.cycles is None else [f"about {report.cycles:,} cycles, {ms:.1f} ms, {source}"]),
        f"{report.flash:,} bytes of flash",
        f"{ram:,} of {chip.total('ram'):,} bytes of RAM: {data} and {stack}",
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _bar(count: int, most: int) -> str:
    return "#" * round(BAR * count / max(most, 1))


def fit(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (see: halfbyte recipes), or a .toml file.")],
    chip: ChipName,
    sets: Annotated[list[str] | None, typer.Option("--set", help="Change a setting. Repeatable.")] = None,
    toolchain: ToolchainName = "zig",
    compile_: Compile = "s",
    kernels: Kernels = "flash",
    variant: Variant = "auto",
    optimize: Optimize = None,
    codec: CodecName = None,
    input_: Input = "auto",
    samples: Samples = 1,
    as_json: AsJson = False,
) -> None:
    """Before training: does a recipe's network fit a chip, and what would it take? Exit code 1 if it does not fit."""
    from exporter.chips import fit as fitting  # noqa: PLC0415
    from exporter.chips.chip import load_chip  # noqa: PLC0415
    from exporter.chips.image import Options  # noqa: PLC0415
    from training.recipe import load_recipe  # noqa: PLC0415

    described, loaded = load_chip(chip), load_recipe(recipe, sets or [])
    how = _how(variant, optimize, codec)
    with screen.status(f"building an untrained {recipe} for {chip}"):
        found = fitting.fit(
            loaded, described, Options(toolchain, compile_, samples, kernels=kernels, input=input_, **how)
        )
    if as_json:
        print(json.dumps(found.to_json()))
    else:
        _print_fit(found, described)
    if not found.fits:
        raise typer.Exit(1)


def _print_fit(found: Fit, chip: Chip) -> None:
    layers = [
        {
            "layer": layer.name,
            "op": layer.op,
            "format": layer.format,
            "kernel": layer.variant if layer.format != "-" else "-",
            "bytes": f"{layer.bytes:,}",
            "instructions": _cell(layer.instructions),
        }
        for layer in found.layers
    ]
    _print_rows(layers, right=("bytes", "instructions"))
    print_ways(found.ways, "weights drawn as untrained ones are: trained or pruned ones are coded in fewer bytes")
    if found.fits:
        _print_rows(_cost_rows(found), right=("nonzero", "instructions", "cycles", "ms"))
    sizes, code, data = found.sizes, chip.memory_of("code"), chip.memory_of("data")
    totals = ("flash", "ram", "stack")
    parts = ", ".join(f"{name} {count:,}" for name, count in vars(sizes).items() if name not in totals)
    over = ", ".join(f"{name} is {count:,} bytes too small" for name, count in found.over.items())
    lines = [
        f"flash {sizes.flash:,} of {code.size:,} bytes: {parts}",
        f"RAM {sizes.ram:,} and {sizes.stack:,} of stack, of {data.size:,} bytes",
        f"{found.recipe} fits {found.chip}" if found.fits else f"{found.recipe} does not fit {found.chip}: {over}",
    ]
    if data.name in found.over:
        held = ", ".join(f"{name} {count:,}" for name, count in found.peak.items())
        lines += [f"the smallest RAM that works is {found.least_ram:,} bytes: {held}"]
    elif not found.fits:
        lines += [f"it fits with: {found.change}" if found.change else "no change of one layer's format makes it fit"]
    for line in lines:
        Console().print(line, highlight=False, soft_wrap=True)


def print_ways(ways: Mapping[str, Iterable[Way]], note: str) -> None:
    """How each tensor can be stored: bytes and thousands of instructions of every way."""
    names = dict.fromkeys(way.name for found in ways.values() for way in found)
    rows = []
    for layer, found in ways.items():
        cells = {way.name: f"{'*' if way.chosen else ''}{way.bytes:,} {way.instructions / 1000:,.0f}k" for way in found}
        rows.append({"stored": layer, **{name: cells.get(name, "-") for name in names}})
    if rows:
        _print_rows(rows, right=tuple(names))
        text = f"bytes and instructions of each way to store a tensor, half of its inputs 0; * is chosen; {note}"
        Console().print(text, highlight=False, soft_wrap=True)


def _cost_rows(found: Fit) -> list[dict[str, str]]:
    costs = {"training images": found.typical, "worst case": found.worst}
    costs |= {f"density {cost.asked:.0%}": cost for cost in found.densities}
    return [
        {
            "an inference": name,
            "nonzero": f"{100 * cost.density:.1f} %",
            "instructions": _cell(cost.instructions),
            "cycles": _cell(cost.cycles),
            "ms": "-" if cost.ms is None else f"{cost.ms:.2f}",
        }
        for name, cost in costs.items()
        if cost
    ]


def flash(
    folder: RunFolder,
    chip: ChipName,
    port: Annotated[str | None, typer.Option(help="Serial port, where the tool needs one.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Build, print the command, do not run it.")] = False,
    toolchain: ToolchainName = "zig",
    compile_: Compile = "s",
    kernels: Kernels = "flash",
    variant: Variant = "auto",
    optimize: Optimize = None,
    codec: CodecName = None,
    input_: Input = "auto",
    samples: Samples = 1,
) -> None:
    """Build an image and write it to a board with the chip's own flashing tool; prints the exact command."""
    from exporter.chips import flash as flashing  # noqa: PLC0415
    from exporter.chips.image import Options, write  # noqa: PLC0415

    how = _how(variant, optimize, codec)
    image = _build(folder, chip, Options(toolchain, compile_, samples, kernels=kernels, input=input_, **how))
    files = write(image, folder / "firmware" / chip)
    Console().print(shlex.join(flashing.command(image.chip, files, port)), highlight=False, soft_wrap=True)
    if not dry_run:
        flashing.flash(image.chip, files, port)


def talk(
    folder: RunFolder,
    port: Annotated[str, typer.Option(help="Serial port of the board, such as /dev/ttyUSB0.")],
    images: Annotated[int, typer.Option(min=1, help="Test images to send.")] = 100,
    baud: Annotated[int, typer.Option(min=1, help="Bits per second; the ports that ship are set to 115200.")] = 115200,
    as_json: AsJson = False,
) -> None:
    """Send images to a board, compare its scores bit for bit. Exit code 1 on a difference."""
    from exporter.chips import talk as talking  # noqa: PLC0415
    from exporter.graph import load_graph  # noqa: PLC0415

    graph = load_graph(folder)
    with talking.open_line(port, baud) as line:
        with screen.status(f"asking {port} what it is"):
            talking.meet(line, graph, folder)
        with screen.status("loading the test set"):
            x = _samples(folder, images)
        with Progress(console=screen) as bars:
            task = bars.add_task(f"{graph.name} on {port}", total=images)
            report = talking.compare(line, graph, x, lambda done: bars.update(task, completed=done))
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        row = {
            "network": report.name,
            "digest": report.digest,
            "images": f"{report.images:,}",
            "wrong": f"{report.wrong_images:,}",
            "scores that differ": f"{report.mismatches:,}",
            "cycles (mean)": f"{report.cycles:,}",
            "sent again": f"{report.retries:,}",
            "images/s": f"{report.images / max(report.seconds, 0.001):,.1f}",
        }
        _print_rows([row], right=tuple(row)[2:])
    if report.first is not None:
        screen.print(f"first difference: {report.first}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


VERBS = (chips, fit, build, emulate, flash, talk)
