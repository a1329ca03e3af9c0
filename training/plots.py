# SPDX-License-Identifier: Apache-2.0
"""Pictures of a run: its curves, where its weights lie among the levels, its memory over time."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from training import files
from training.layers import BitLayer

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import nn


def plot_run(folder: Path, model: nn.Module) -> None:
    """Write curves.png, where there are any, and weights.png into a run folder; matplotlib draws without a screen."""
    if (folder / "curves.csv").is_file():
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


# of a map that is whole, of a ring of its rows, of what is no map, of scratch memory
COLORS = {"map": "#4477aa", "ring of rows": "#66ccee", "vector": "#228833", "scratch": "#bbbbbb"}
TWO_STAGES = 2


def plot_plan(path: Path, name: str, view: dict[str, Any]) -> None:
    """Write a picture of a memory plan: what lies where in the arena while each stage runs.

    view  as `show --json` has it: stages, groups, buffers. Nothing is drawn without matplotlib.
    """
    if find_spec("matplotlib"):
        _save(_plan(name, view), path)


def _plan(name: str, view: dict[str, Any]) -> Figure:
    stages, total = view["stages"], view["arena_bytes"]
    figure = _figure(max(7, 1.1 * len(stages) + 2), 5.5)
    axis = figure.subplots()
    for buffer in sorted(view["buffers"], key=lambda b: -b["size"]):
        _box(axis, buffer, total)
    edge = 0
    for group in view["groups"]:
        count = len(group["stages"])
        if count > 1:
            middle, above = edge + (count - 1) / 2, 1.02 * total
            text = f"{count} stages by {group['way']}"
            axis.text(middle, above, text, ha="center", va="bottom", fontsize=8)
        axis.axvline(edge - 0.5, color="black", linewidth=0.6, alpha=0.5, zorder=0)
        edge += count
    axis.set_xticks(range(len(stages)), stages, rotation=45, ha="right", fontsize=8)
    axis.set(xlim=(-0.5, len(stages) - 0.5), ylim=(0, 1.1 * total), ylabel="byte of the arena", xlabel="stage")
    axis.axhline(total, color="#cc3311", linewidth=1)
    axis.set_title(f"{name}: {total:,} bytes of arena", fontsize=10, loc="left")
    axis.yaxis.set_major_formatter("{x:,.0f}")
    for kind, color in COLORS.items():
        axis.bar(0, 0, color=color, label=kind)
    axis.legend(frameon=False, fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.25))
    return figure


def _box(axis: Axes, buffer: dict[str, Any], total: int) -> None:
    width = buffer["last"] - buffer["first"] + 1
    left = buffer["first"] - 0.5
    kind = "ring of rows" if buffer["rows"] < buffer["height"] else "map" if buffer["height"] else "vector"
    kind = "scratch" if buffer["name"].startswith("(") else kind
    axis.bar(
        left,
        buffer["size"],
        width,
        buffer["offset"],
        align="edge",
        color=COLORS[kind],
        edgecolor="white",
        linewidth=0.8,
    )
    if buffer["size"] >= total / 20:  # otherwise there is no room for its name
        rows = f", {buffer['rows']} of {buffer['height']} rows" if buffer["rows"] < buffer["height"] else ""
        gap = "\n" if width <= TWO_STAGES else ": "
        text = f"{buffer['name']}{gap}{buffer['size']:,}{rows}"
        middle = buffer["offset"] + buffer["size"] / 2
        center = buffer["first"] if width == TWO_STAGES else left + width / 2  # the next one may lie over its end
        axis.text(center, middle, text, ha="center", va="center", fontsize=7, clip_on=True)
