# SPDX-License-Identifier: Apache-2.0
"""A study's table and plot: accuracy against linked bytes and against instructions, mean and deviation of the seeds."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from exporter.studies.base import CHIP, IMAGES
from training import files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exporter.studies.base import Row, Study

SHOWN = 5  # points of accuracy below the best; what is further down is in the table
HEAD = ("series", "network", "accuracy, %", "weights, bytes", "linked, bytes", "instructions", "products not 0")
PAGE = """\
# Study: {name}

    halfbyte study {name} --record

{question}

Accuracy of the exported C on all test images, mean and deviation of seeds {seeds} whose epoch validation chose,
{epochs} epochs each; every integer equal to PyTorch's. Linked bytes: weights, model and kernels in an image for {chip},
compiled by zig for size; instructions: mean of an inference there over {images} test images.

![Accuracy against bytes and instructions]({name}.png)

{table}
{answer}"""


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """A line for each network, in the order they were trained, of the means over its seeds."""
    lines = []
    for step in dict.fromkeys(row.step for row in rows):
        own = [row for row in rows if row.step == step]
        spread = f" ± {statistics.stdev([row.accuracy for row in own]):.2f}" if len(own) > 1 else ""
        lines.append(
            [
                own[0].series,
                step,
                f"{statistics.mean(row.accuracy for row in own):.2f}{spread}",
                f"{statistics.mean(row.weight_bytes for row in own):,.0f}",
                f"{statistics.mean(row.linked_bytes for row in own):,.0f}",
                f"{statistics.mean(row.instructions for row in own):,.0f}",
                f"{statistics.mean(row.nonzero for row in own):.0%}",
            ]
        )
    return lines


def page(study: Study, rows: Sequence[Row], epochs: int, answer: str = "") -> str:
    """docs/studies/<name>.md; `answer` is what stands behind the table, written by hand."""
    lines = [list(HEAD), ["---"] * len(HEAD), *cells(rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    seeds = ", ".join(map(str, dict.fromkeys(row.seed for row in rows)))
    return PAGE.format(
        name=study.name,
        question=study.question,
        seeds=seeds,
        epochs=epochs,
        chip=CHIP,
        images=IMAGES,
        table=table,
        answer=answer,
    )


def plot(study: Study, rows: Sequence[Row], path: Path) -> None:
    """A PNG with two panels, a line for each series."""
    from matplotlib import colormaps  # noqa: PLC0415 (heavy, and an extra)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(13, 6), layout="constrained")
    colors = colormaps["tab20"].colors  # type: ignore[attr-defined]
    what = {"linked_bytes": f"linked bytes on {CHIP}", "instructions": f"instructions of an inference on {CHIP}"}
    for axis, (key, title) in zip(figure.subplots(1, 2), what.items(), strict=True):
        axis.set_prop_cycle(color=[*colors[::2], *colors[1::2]])
        for series in dict.fromkeys(row.series for row in rows):
            points = []
            for step in dict.fromkeys(row.step for row in rows if row.series == series):
                own = [row for row in rows if row.step == step]
                accuracy = [row.accuracy for row in own]
                spread = statistics.stdev(accuracy) if len(own) > 1 else 0.0
                points.append((statistics.mean(getattr(row, key) for row in own), statistics.mean(accuracy), spread))
            x, y, error = zip(*sorted(points), strict=True)
            axis.errorbar(x, y, error, marker="o", capsize=3, label=series)
        best = max(row.accuracy for row in rows)
        axis.set_ylim(bottom=max(axis.get_ylim()[0], best - SHOWN), top=min(axis.get_ylim()[1], best + SHOWN / 10))
        axis.set_xlabel(title)
        axis.set_ylabel("accuracy of the C, %")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=6)
    figure.suptitle(study.question, fontsize=10)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png", metadata={"Software": None})
