# SPDX-License-Identifier: Apache-2.0
"""The verbs `halfbyte bench ...` and `halfbyte results`: where every published number comes from."""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from training.errors import HalfbyteError
from training.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable

bench = typer.Typer(help="Measure: training speed, verification, exactness of formats and of random networks.")
screen = Console(stderr=True)
ROOT = Path(__file__).parent.parent  # halfbyte is used from a checkout
DOCS = ROOT / "docs"
CHIPS_TABLE = DOCS / "chips-table.md"
RECORD = ROOT / "models" / "benchmarks.json"  # what README quotes
Record = Annotated[bool, typer.Option("--record", help="Keep the result in models/benchmarks.json.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
One = TypeVar("One")
Jobs = Annotated[int, typer.Option(min=1, help="Processes side by side.")]


@bench.command("train")
def bench_train(
    recipe: str = "mnist-fc-12k",
    epochs: Annotated[int, typer.Option(min=2)] = 6,
    threads: Annotated[int | None, typer.Option(min=1, help="that share a batch, instead of the recipe's")] = None,
    as_json: AsJson = False,
    record: Record = False,
) -> None:
    """Images per second of the real training loop, distortion included."""
    from training.bench import training_speed  # noqa: PLC0415

    with Progress(console=screen) as bars:
        task = bars.add_task(recipe, total=epochs)
        speed = training_speed(recipe, epochs, lambda done: bars.update(task, completed=done), threads)
    _report("train", [speed], as_json, record, key="recipe")


@bench.command("verify")
def bench_verify(
    folder: Path = ROOT / "models" / "mnist-fc-12k", as_json: AsJson = False, record: Record = False
) -> None:
    """Seconds to compare every layer of a run on all its test images, compiler and imports of data included."""
    from exporter.runs import verify_run  # noqa: PLC0415

    started = time.perf_counter()
    report = verify_run(folder)
    seconds = round(time.perf_counter() - started, 2)
    row = {"run": folder.name, "images": report.images, "mismatches": report.mismatches, "seconds": seconds}
    _report("verify", [row], as_json, record)


@bench.command("formats")
def bench_formats(data: str = "mnist", as_json: AsJson = False, record: Record = False) -> None:
    """Every format with every requantizer, every layer, on all test images."""
    from exporter.bench import every_format  # noqa: PLC0415
    from training.formats import FORMATS  # noqa: PLC0415
    from training.requant import REQUANTS  # noqa: PLC0415

    rows = _with_bar(every_format(data), len(FORMATS) * len(REQUANTS), "formats")
    _report("formats", rows, as_json, record)
    _exit_on_mismatch(rows)


@bench.command("random")
def bench_random(
    count: Annotated[int, typer.Option(min=1)] = 1000,
    first_seed: Annotated[int, typer.Option(min=0)] = 0,
    maps: Annotated[bool, typer.Option("--maps", help="Networks of convolutions, each by every plan.")] = False,
    sanitize: Annotated[bool, typer.Option("--sanitize", help="The C under ASan and UBSan (gcc).")] = False,
    jobs: Jobs = 2,
    as_json: AsJson = False,
    record: Record = False,
) -> None:
    """Random networks with random and extreme inputs, every layer."""
    from exporter.bench import random_networks  # noqa: PLC0415

    what = "random networks of maps" if maps else "random networks"
    rows = _with_bar(random_networks(count, first_seed, jobs, maps=maps, sanitize=sanitize), count, what)
    refused = [row for row in rows if row["refused"] is not None]
    for row in [*refused, *(row for row in rows if row["first"])]:
        screen.print(f"seed {row['seed']}: {row['refused'] or row['first']}", markup=False)
    total = {"networks": len(rows) - len(refused), "refused": len(refused), "sanitizers": sanitize}
    for key in ("plans", "layers", "integers", "mismatches", *(("by rows", "by channels", "pushed") if maps else ())):
        total[key] = sum(row.get(key, 0) for row in rows)
    _report("random_maps" if maps else "random", [total], as_json, record)
    _exit_on_mismatch(rows)


@bench.command("chips")
def bench_chips(
    images: Annotated[int, typer.Option(min=1, help="Test images for each image of firmware.")] = 100,
    out: Annotated[Path, typer.Option(help="The page that is written.")] = CHIPS_TABLE,
) -> None:
    """Every format and every shipped model on every emulated chip, by both compilers: writes docs/chips-table.md."""
    from exporter.chips import table  # noqa: PLC0415
    from exporter.chips.emulate import REASONS  # noqa: PLC0415

    models = sorted(path.parent for path in (ROOT / "models").glob("*/graph.json"))
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
        every = Path(scratch)
        table.train_every_format(every)
        rows = _with_bar(table.run_all(every, models, images), len(table.jobs(every, models)), "images of firmware")
    write_text(out, table.markdown(rows))
    Console().print(str(out), highlight=False, soft_wrap=True)
    _exit_on_mismatch(rows)
    if unexpected := next((row["note"] for row in rows if row["note"] not in {"", *REASONS}), None):
        raise HalfbyteError(unexpected)


@bench.command("kernels")
def bench_kernels(
    record: Annotated[bool, typer.Option("--record", help="Write docs/kernels.md, and what `auto` goes by.")] = False,
    as_json: AsJson = False,
) -> None:
    """Instructions for a weight, by format, kernel variant and core: exact counts on the emulated chips."""
    from exporter.chips import choice, kernelpage, speed  # noqa: PLC0415

    counted = _with_bar(speed.count_all(), len(speed.jobs()), "kernels")
    kernels = [row for rows in counted for row in rows]
    if record:
        coded = _with_bar(speed.count_codecs(), len(speed.codec_jobs()), "codecs")
        write_text(choice.COSTS, speed.to_json([*kernels, *(row for rows in coded for row in rows)]))
        write_text(DOCS / "kernels.md", kernelpage.kernels_page(kernels))
        kernelpage.plot(kernels, DOCS / "kernels.png")
    print(json.dumps(list(map(asdict, kernels))) if as_json else kernelpage.kernels_page(kernels))


@bench.command("yardstick")
def bench_yardstick(
    images: Annotated[int, typer.Option(min=1, help="Test images for each network.")] = 100,
    record: Annotated[bool, typer.Option("--record", help="Write docs/yardstick.md.")] = False,
    as_json: AsJson = False,
) -> None:
    """Instructions of whole networks beside the best public kernels for them, with `auto` kernels, by zig and gcc."""
    from exporter.chips import kernelpage, yardstick  # noqa: PLC0415

    rows = _with_bar(yardstick.run_all(images), len(yardstick.jobs()), "networks")
    if record:
        write_text(DOCS / "yardstick.md", kernelpage.yardstick_page(rows))
    print(json.dumps(list(map(asdict, rows))) if as_json else kernelpage.yardstick_page(rows))


def results(
    recipes: Annotated[list[str], typer.Argument(help="Names of recipes.")],
    seeds: Annotated[str, typer.Option(help="Seeds, apart by commas.")] = "1,2,3",
    out: Annotated[Path, typer.Option(help="Folder of the runs; finished ones are kept.")] = Path("runs") / "results",
    jobs: Jobs = 1,
    prune: Annotated[
        str | None, typer.Option(help="Prune the runs besides, with these options of halfbyte prune.")
    ] = None,
    ship: Annotated[
        bool, typer.Option("--ship", help="Copy each recipe's best seed (by validation) to models/.")
    ] = False,
) -> None:
    """Train, export and verify recipes with several seeds; write models/results.json and README's table."""
    from exporter import results as table  # noqa: PLC0415
    from training.recipe import load_recipe  # noqa: PLC0415

    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise HalfbyteError(f"--seeds {seeds}: expected numbers apart by commas, such as 1,2,3") from None
    for name in recipes:
        load_recipe(name)
    options = shlex.split(prune or "")
    rows = []
    with Progress(console=screen) as bars:
        task = bars.add_task("runs", total=len(recipes) * len(numbers) * (2 if options else 1))

        def finished(name: str, runs: Iterable[Path], command: str) -> None:
            """Its row, as soon as the last of a recipe's runs is there."""
            for folder in runs:
                bars.update(task, advance=1, description=folder.name)
            rows.append(table.summarize(name, numbers, out, command))
            table.write_results(rows[-1:], ROOT / "models" / "results.json", ROOT / "README.md")
            if ship:
                table.ship(rows[-1], out, ROOT / "models")

        for name in recipes:
            command = f"halfbyte results {name} --seeds {seeds}"
            finished(name, table.run_all(name, numbers, out, jobs), command)
            if options:
                pruned = table.prune_all(name, options, numbers, out, jobs)
                finished(table.pruned_name(name), pruned, f"{command} --prune {shlex.quote(prune or '')}")
    Console().print(table.markdown(rows), markup=False)


def _with_bar(records: Iterable[One], total: int, title: str) -> list[One]:
    with Progress(console=screen) as bars:
        return list(bars.track(records, total, description=title))


def _report(name: str, rows: list[dict[str, Any]], as_json: bool, record: bool, key: str = "") -> None:
    """Print a result, and keep it if asked; with a key, beside kept rows that have another value of it."""
    if record:
        known = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
        others = [row for row in known.get(name, []) if key and row[key] not in {new[key] for new in rows}]
        kept = sorted(others + rows, key=lambda row: str(row.get(key)))
        write_text(RECORD, json.dumps(known | {name: kept}, indent=1, sort_keys=True) + "\n")
    if as_json:
        print(json.dumps(rows))
        return
    table = Table(box=None)
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(f"{v:,}" if isinstance(v, int) else str(v) for v in row.values()))
    Console().print(table)


def _exit_on_mismatch(rows: list[dict[str, Any]]) -> None:
    if any(row["mismatches"] for row in rows):
        raise typer.Exit(1)
