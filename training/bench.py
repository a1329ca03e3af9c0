# SPDX-License-Identifier: Apache-2.0
"""How fast a recipe trains: whole epochs of the real loop, distortion and optimizer included."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training import data, loop
from training.recipe import load_recipe

if TYPE_CHECKING:
    from collections.abc import Callable


def training_speed(
    name: str, epochs: int, progress: Callable[[float], None] = lambda _: None, threads: int | None = None
) -> dict[str, Any]:
    """Images per second of every epoch but the first, which warms up; evaluation of the validation set included.

    threads  CPU threads of a step instead of the recipe's
    """
    overrides = [] if threads is None else [f"train.threads={threads}"]
    recipe = load_recipe(name, [f"train.epochs={epochs}", *overrides])
    n_train = len(data.split(data.load_train(recipe.data), recipe.train.seed)[0].y)
    seconds: list[float] = []

    def record(event: loop.Epoch | float) -> None:
        if isinstance(event, loop.Epoch):
            seconds.append(event.seconds)
        progress(event.epoch if isinstance(event, loop.Epoch) else len(seconds) + event)

    with tempfile.TemporaryDirectory(prefix="halfbyte-") as folder:
        loop.train(recipe, Path(folder), progress=record)
    speeds = [n_train / s for s in seconds[1:]]
    return {
        "recipe": name,
        "device": str(loop.pick_device()),
        "threads": recipe.train.threads or 1,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": platform.machine(),
        "images_per_epoch": n_train,
        "epochs": len(speeds),
        "images_per_second_median": round(statistics.median(speeds)),
        "images_per_second_best": round(max(speeds)),
    }
