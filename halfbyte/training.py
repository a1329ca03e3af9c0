# SPDX-License-Identifier: Apache-2.0
"""What verbs that train share: their options, the folder they write, the bar they show."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from training.loop import Epoch

screen = Console(stderr=True)
Out = Annotated[Path | None, typer.Option(help="Run folder; default: runs/RECIPE-sSEED.")]
Seed = Annotated[int | None, typer.Option(help="Short for --set train.seed=N.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="Change a setting, e.g. train.epochs=5. Repeatable.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")]


def check_folder(folder: Path, resume: bool) -> None:
    """A run neither overwrites another nor begins where it cannot write."""
    begun, finished = (folder / "resume.safetensors").is_file(), (folder / "checkpoint.safetensors").is_file()
    if resume and not begun:
        raise HalfbyteError(f"{folder} holds no interrupted run; start one without --resume")
    if begun and not resume:
        raise HalfbyteError(f"{folder} holds an interrupted run; go on with --resume, or choose another --out")
    if finished and not begun:
        raise HalfbyteError(f"{folder} holds a finished run; choose another --out, or delete it")


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make the folder; if what follows fails before anything is written there, take it away again."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise HalfbyteError(f"{folder} cannot be written; choose another --out")
    try:
        yield
    except KeyboardInterrupt:
        if (folder / "resume.safetensors").is_file():
            screen.print(f"{folder}: go on with --resume", markup=False, highlight=False, soft_wrap=True)
        raise
    finally:
        with suppress(OSError):  # not empty: as it should be
            folder.rmdir()


@contextmanager
def training_bar(name: str, epochs: int) -> Iterator[Callable[[Epoch | float], None]]:
    """A bar of all epochs, for `loop.train` to move; left in a clean state, shown once there is something to show."""
    columns = ("{task.description}", "{task.fields[status]}")
    bar = TextColumn(columns[0]), BarColumn(None), TextColumn(columns[1]), TimeRemainingColumn()
    bars = Progress(*bar, console=screen)
    task = bars.add_task(name, total=epochs, status="")
    done = 0

    def progress(event: Epoch | float) -> None:
        nonlocal done
        bars.start()
        if isinstance(event, float):
            bars.update(task, completed=done + event)
            return
        done = event.epoch
        accuracy = f"validation {event.validation_accuracy:.2f} %"
        bars.update(task, completed=done, status=f"epoch {done}/{epochs}  loss {event.loss:.4f}  {accuracy}")

    try:
        yield progress
    finally:
        if bars.live.is_started:
            bars.stop()
