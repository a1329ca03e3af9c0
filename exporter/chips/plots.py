# SPDX-License-Identifier: Apache-2.0
"""A picture of where an emulated inference spends its instructions: per layer, and per function."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from training import files

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from exporter.chips.emulate import LayerCount, Report

BAR = 0.28  # inches of height for a bar
MOST = 24  # bars of a half; what is left is added up in one


def plot_instructions(report: Report, path: Path) -> bool:
    """Write a PNG of instructions by layer and by function; False where matplotlib or a count is missing."""
    if not report.functions:
        return False
    if not find_spec("matplotlib"):
        return False
    from matplotlib.figure import Figure  # noqa: PLC0415 (heavy, and an extra)

    layers = _most([(_label(layer), layer.instructions or 0) for layer in report.layers])
    functions = _most(list(report.functions.items()))
    heights = [len(layers) + 3, len(functions) + 3]
    figure = Figure(figsize=(9, BAR * sum(heights) + 0.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=heights)
    raw = f"and {report.input_instructions:,} of the input rule"
    _bars(top, layers, f"instructions by layer: {report.instructions:,} an inference, {raw}")
    _bars(bottom, functions, "instructions by function, of the inference")
    figure.suptitle(f"{report.name} on {report.chip}, {report.toolchain} -O{report.compile}", fontweight="bold")
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    return True


def _label(layer: LayerCount) -> str:
    return layer.name if layer.format == "-" else f"{layer.name} ({layer.op} {layer.format})"


def _most(bars: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The bars, the smallest of too many added up in a last one."""
    if len(bars) <= MOST:
        return bars
    smallest = sorted(range(len(bars)), key=lambda index: bars[index][1])[: len(bars) - MOST + 1]
    kept = [bar for index, bar in enumerate(bars) if index not in smallest]
    return [*kept, (f"{len(smallest)} others", sum(bars[index][1] for index in smallest))]


def _bars(axis: Axes, bars: list[tuple[str, int]], title: str) -> None:
    counts = [count for _, count in bars]
    drawn = axis.barh(range(len(bars)), counts, color="#4477aa")
    axis.bar_label(drawn, labels=[f"{count:,}" for count in counts], padding=3, fontsize=8)
    axis.set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=8)
    axis.set_xlim(0, 1.15 * max(counts))
    axis.set_title(title, fontsize=10, loc="left")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.tick_params(axis="x", labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", alpha=0.25)
    axis.set_axisbelow(True)
    axis.invert_yaxis()
