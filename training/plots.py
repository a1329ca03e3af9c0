# SPDX-License-Identifier: Apache-2.0
"""Pictures of a run: its curves, and where its weights lie among the levels."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from training import files
from training.layers import BitLayer

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure
    from torch import nn


def plot_run(folder: Path, model: nn.Module) -> None:
    """Write curves.png and weights.png into a run folder; matplotlib draws without a screen."""
    _save(_curves(folder / "curves.csv"), folder / "curves.png")
    _save(_weights(model), folder / "weights.png")


def _save(figure: Figure, path: Path) -> None:
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415 (heavy)

    return Figure(figsize=(width, height), layout="constrained")


def _curves(path: Path) -> Figure:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    epochs = [row["epoch"] for row in rows]
    figure = _figure(10, 4)
    loss, error = figure.subplots(1, 2)
    for axis, names in ((loss, ("loss", "validation_loss")), (error, ("train_accuracy", "validation_accuracy"))):
        for name in names:
            values = [row[name] if axis is loss else 100 - row[name] for row in rows]
            axis.plot(epochs, values, label=name.replace("_", " ").replace("accuracy", "error, %"))
        axis.set(xlabel="epoch", yscale="log")
        axis.grid(visible=True, which="both", alpha=0.2)
        axis.legend(frameon=False)
    best = max(rows, key=lambda row: (row["validation_accuracy"], row["epoch"]))
    error.axvline(best["epoch"], color="gray", linestyle=":")
    error.set_title(f"best: {best['validation_accuracy']:.2f} % at epoch {best['epoch']:.0f}", fontsize=10)
    return figure


def _weights(model: nn.Module) -> Figure:
    """For each layer a histogram of weights in units of levels, with the levels as lines."""
    layers = {name: m for name, m in model.named_modules() if isinstance(m, BitLayer)}
    figure = _figure(10, 2.2 * len(layers))
    axes = figure.subplots(len(layers), 1, squeeze=False)[:, 0]
    for axis, (name, layer) in zip(axes, layers.items(), strict=True):
        axis.hist(layer.quantizer_input().flatten().cpu().numpy(), bins=200, color="#4477aa")
        if layer.fmt is not None:
            for level in layer.fmt.levels:
                axis.axvline(level, color="#cc3311", linewidth=0.6, alpha=0.8)
        axis.set_title(f"{name}: {layer.extra_repr()}", fontsize=9)
        axis.set_yticks([])
    axes[-1].set_xlabel("weight / clip scale; red: levels")
    return figure
