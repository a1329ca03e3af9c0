# SPDX-License-Identifier: Apache-2.0
"""What a study is: networks trained by commands, each measured on a chip; a table, a plot, and files to go on from."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from exporter.chips import products
from exporter.chips.chip import load_chip
from exporter.chips.emulate import measure, roomy
from exporter.chips.image import Options, link_image, test_images
from exporter.results import best_validation, finish
from training.errors import HalfbyteError
from training.files import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

CHIP = "ch32v003"  # of linked bytes and instructions: the smallest there is, with as much memory as it takes
IMAGES = 20  # test images that the emulated chip runs
ROW = "study.json"  # what was measured of a run, in its folder


@dataclass(frozen=True)
class Step:
    """One network of a study, trained with every seed.

    name    its run folders are <name>-s<seed>
    series  what it belongs to in plot and table; "": it is only where others begin
    words   of the command, without seed and folder; @other is the run of the step of that name, with the same seed
    """

    name: str
    series: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A question, and the networks whose accuracy, bytes and instructions answer it.

    rows    (epochs, seeds, folder, jobs) -> what was measured of each network, None of those that are no point
    count   of networks for a seed
    epochs  of the shipped setting, in which it takes at most an hour on two cores
    """

    name: str
    question: str
    rows: Callable[[int, Sequence[int], Path, int], Iterator[Row | None]]
    count: int
    epochs: int
    seeds: tuple[int, ...] = (1, 2)


def of_steps(
    name: str, question: str, steps: Callable[[int], Sequence[Step]], *, epochs: int, seeds: tuple[int, ...] = (1, 2)
) -> Study:
    """A study of networks that commands train; steps (epochs) -> in an order in which each stands behind its parent."""
    return Study(name, question, partial(_rows, steps), len(steps(epochs)), epochs, seeds)


def setting_words(settings: Iterable[str]) -> tuple[str, ...]:
    """Each "key=value" as a command takes it."""
    return tuple(word for setting in settings for word in ("--set", setting))


@dataclass(frozen=True)
class Row:
    """A network and what was measured of it.

    accuracy      of the exported C on all test images, percent
    validation    of the epoch that was kept, percent
    weight_bytes  constants of the model
    linked_bytes  those and the code of model and kernels, in an image for CHIP
    instructions  mean of an inference there
    nonzero       fraction of the products whose activation is not 0
    """

    step: str
    series: str
    seed: int
    accuracy: float
    validation: float
    weight_bytes: int
    linked_bytes: int
    instructions: int
    nonzero: float


def _rows(
    steps: Callable[[int], Sequence[Step]], epochs: int, seeds: Sequence[int], folder: Path, jobs: int
) -> Iterator[Row | None]:
    """Train and measure every step with every seed; what is finished is kept."""
    with ThreadPoolExecutor(jobs) as pool:
        for step in steps(epochs):
            yield from pool.map(partial(_row, step, folder), seeds)


def _row(step: Step, folder: Path, seed: int) -> Row | None:
    run = folder / f"{step.name}-s{seed}"
    if not (run / ROW).is_file():
        words = [f"{folder}/{word[1:]}-s{seed}" if word.startswith("@") else word for word in step.words]
        finish([*words, "--seed", str(seed)], run)
        row = measured(step.name, step.series, seed, run) if step.series else None
        write_text(run / ROW, json.dumps(row and asdict(row)) + "\n")
    found = json.loads((run / ROW).read_text(encoding="utf-8"))
    return found and Row(**found | {"step": step.name, "series": step.series})


def measured(step: str, series: str, seed: int, run: Path) -> Row:
    """The row of a run that is exported and verified; HalfbyteError where integers differ."""
    x = test_images(run, IMAGES)
    verified = json.loads((run / "verified.json").read_text(encoding="utf-8"))
    options = Options(samples=0)
    image = link_image(run, roomy(roomy(load_chip(CHIP), options), options), x[:0], options)
    report = measure(image, x)
    if report.mismatches or verified["mismatches"]:
        raise HalfbyteError(f"{run}: integers differ; look with: halfbyte verify {run}")
    return Row(
        step,
        series,
        seed,
        verified["accuracy"],
        best_validation(run),
        image.sizes.weights,
        image.sizes.weights + image.sizes.kernels,
        report.instructions or 0,
        products.density(image.graph, x),
    )
