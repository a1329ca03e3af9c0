# SPDX-License-Identifier: Apache-2.0
"""The verb `halfbyte study`: a question, answered by networks that it trains."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from training.errors import HalfbyteError
from training.files import write_text

screen = Console(stderr=True)
DOCS = Path(__file__).parent.parent / "docs" / "studies"  # halfbyte is used from a checkout
PIPE_WIDTH = 160  # columns where standard output is no terminal
ANSWER = "\n## "  # where what was written by hand begins, behind the table


def study(
    name: Annotated[str, typer.Argument(help="Which: see halfbyte study list.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the runs; default: runs/study-NAME. What is finished there is kept.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds, apart by commas.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of every network.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Seeds side by side.")] = 2,
    record: Annotated[bool, typer.Option("--record", help="Write docs/studies/NAME.md and its plot, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Train what answers a question: a table and a plot of accuracy against linked bytes and instructions."""
    from exporter.studies import STUDIES, page  # noqa: PLC0415 (torch takes a second)

    if name == "list":
        for known in STUDIES.values():
            print(f"{known.name:12} {known.question}")
        return
    if name not in STUDIES:
        raise HalfbyteError(f"no study '{name}'; there are {', '.join(STUDIES)}")
    chosen = STUDIES[name]
    numbers, length = _numbers(seeds) if seeds else chosen.seeds, epochs or chosen.epochs
    folder = out or Path("runs") / f"study-{name}"
    _check_setting(folder, length)
    rows = []
    with Progress(console=screen) as bars:
        task = bars.add_task(name, total=chosen.count * len(numbers))
        for row in chosen.rows(length, numbers, folder, jobs):
            bars.update(task, advance=1, description=row.step if row else name)
            rows += [row] if row else []
    write_text(folder / f"{name}.md", page.page(chosen, rows, length))
    page.plot(chosen, rows, folder / f"{name}.png")
    if record:
        path = DOCS / f"{name}.md"
        answer = path.read_text(encoding="utf-8").partition(ANSWER) if path.is_file() else ("", "", "")
        write_text(path, page.page(chosen, rows, length, answer[1] + answer[2]))
        page.plot(chosen, rows, DOCS / f"{name}.png")
    if as_json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    table = Table(*page.HEAD, box=None)
    for line in page.cells(rows):
        table.add_row(*line)
    console = Console()
    (console if console.is_terminal else Console(width=PIPE_WIDTH)).print(table)
    screen.print(f"{folder}/{name}.md, {folder}/{name}.png", markup=False, highlight=False, soft_wrap=True)


def _numbers(seeds: str) -> tuple[int, ...]:
    try:
        return tuple(int(seed) for seed in seeds.split(","))
    except ValueError:
        raise HalfbyteError(f"--seeds {seeds}: expected numbers apart by commas, such as 1,2,3") from None


def _check_setting(folder: Path, epochs: int) -> None:
    """Runs of another length are not gone on with: HalfbyteError says so."""
    path = folder / "epochs"
    if path.is_file() and path.read_text(encoding="utf-8").strip() != str(epochs):
        before = path.read_text(encoding="utf-8").strip()
        raise HalfbyteError(f"{folder} holds runs of {before} epochs; give --epochs {before}, or choose another --out")
    write_text(path, f"{epochs}\n")
