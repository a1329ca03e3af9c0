# SPDX-License-Identifier: Apache-2.0
"""Is it the mask, or the start, that makes a sparse network good?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from exporter.results import finish
from exporter.studies.base import ROW, Row, Study, measured
from training.files import write_text
from training.prune.lottery import lottery
from training.recipe import load_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ROUNDS = 7  # of a fifth of the weights that are left: 79 % in the end
REWIND = 2  # epochs
SETTINGS = ("export.optimize=size",)


def rows(epochs: int, seeds: Sequence[int], folder: Path, jobs: int) -> Iterator[Row]:  # noqa: ARG001 (one signature)
    """Tickets and their controls, one after the other."""
    for seed in seeds:
        recipe = load_recipe("mnist-fc-int4", [*SETTINGS, f"train.epochs={epochs}", f"train.seed={seed}"])
        for found in lottery(recipe, folder / f"lottery-s{seed}", ROUNDS, min(REWIND, epochs - 1)):
            kept = found.folder / ROW
            if not kept.is_file():
                finish([], found.folder)
                name = f"{found.kind}, {found.sparsity:.0%} pruned"
                write_text(kept, json.dumps(asdict(measured(name, found.kind, seed, found.folder))) + "\n")
            yield Row(**json.loads(kept.read_text(encoding="utf-8")))


STUDY = Study(
    "lottery",
    "Is it the mask or the start that makes a sparse network good? (ticket: both; reinit, random mask: one of them)",
    rows,
    1 + 3 * ROUNDS,
    epochs=6,
)
