# SPDX-License-Identifier: Apache-2.0
"""docs/kernels.md and its picture, and docs/yardstick.md: what kernels and whole networks cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.chips.speed import AT, CHIPS, LAYERS
from exporter.variants import PORTABLE
from training import files
from training.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from exporter.chips.emulate import LayerCount
    from exporter.chips.speed import Kernel
    from exporter.chips.yardstick import Row

KERNELS = """\
# What the kernels cost

    halfbyte bench kernels --record

Exact instructions on the emulated chips, compiled by zig for size, by the variant of the kernel (SPEC 4.3). `halfbyte
build` takes the fastest that fits, layer by layer; `--variant` says otherwise. CI fails where a count gets worse by
more than 2 %. Whole networks: [yardstick.md](yardstick.md).

![Instructions for a weight](kernels.png)
"""
LAYER = """
## {layer}: instructions for a {unit}

{what}; half of the activations are 0.
"""
BYTES = """
## {layer}: bytes of code

Of the kernel itself, without what several share (the requantizers, `hb_patch`).
"""
FLASH = """
## Flash

Bytes of the whole image: weights, kernels, the app with its protocol. Compiled as for the count above.
"""
COLORS = ("#bbbbbb", "#4477aa", "#cc6677", "#228833")  # of the portable kernel, and of variants
WHAT = {
    "linear": ("weight", "64 inputs and 64 outputs"),
    "conv": ("product", "3x3, 8 channels to 8, 8x8 pixels, requantizer included"),
    "depthwise": ("product", "3x3, 8 channels, 8x8 pixels, requantizer included"),
}
YARDSTICK = """\
# Networks beside the best public kernels

    halfbyte bench yardstick --images {images} --record

Mean instructions of an inference over {images} of MNIST's test images, all scores equal to the reference's: from the
input of the first layer to the scores, the fewest of zig and gcc at -Os and -O2. Weights are drawn as trained ones are
distributed. In brackets, how many times as many the best public kernels take for the same network (BitNetMCU's, gcc 12,
the fewest of -Os, -O2 and -O3). `limit`: every byte of weights is read once, every product that is not 0 added once.
"""
BY_LAYER = """
## {network} by layer
"""


def kernels_page(rows: Sequence[Kernel]) -> str:
    """docs/kernels.md."""
    parts = [KERNELS]
    for layer in LAYERS:
        unit, what = WHAT[layer]
        parts += [LAYER.format(layer=layer, unit=unit, what=what), _kernels(rows, layer, _instructions)]
    parts += [BYTES.format(layer="linear"), _kernels(rows, "linear", _bytes)]
    return "".join(parts)


def yardstick_page(rows: Sequence[Row]) -> str:
    """docs/yardstick.md."""
    parts = [YARDSTICK.format(images=rows[0].images), _networks(rows), FLASH, _flash(rows)]
    for name in dict.fromkeys(row.network for row in rows):
        parts += [BY_LAYER.format(network=name), _by_layer([row for row in rows if row.network == name])]
    return "".join(parts)


def _networks(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(row.network for row in rows))
    found = {(row.network, row.chip): row for row in rows}
    lines = []
    for name in names:
        cells = [found[name, chip] for chip in CHIPS]
        lines.append([name, f"{cells[0].limit:,}", *(_cell(row) for row in cells)])
    return _table(["network", "limit", *CHIPS], lines)


def _flash(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(row.network for row in rows))
    found = {(row.network, row.chip): f"{row.flash:,}" for row in rows}
    return _table(["network", *CHIPS], [[name, *(found[name, chip] for chip in CHIPS)] for name in names])


def _cell(row: Row) -> str:
    return f"{row.instructions:,}" + (f" ({row.times:.1f}x)" if row.times else "")


def _by_layer(rows: Sequence[Row]) -> str:
    names = [layer.name for layer in rows[0].layers if layer.instructions and "input" not in layer.name]
    counts = [{layer.name: layer for layer in row.layers} for row in rows]
    lines = [[name, *(_counted(count[name]) for count in counts)] for name in names]
    return _table(["layer", *(row.chip for row in rows)], lines)


def _counted(layer: LayerCount) -> str:
    if layer.instructions is None:
        return "-"
    return f"{layer.instructions:,}" + ("" if layer.variant == PORTABLE else f" {layer.variant}")


def _instructions(row: Kernel) -> str:
    return f"{row.instructions:.2f}"


def _bytes(row: Kernel) -> str:
    return f"{row.bytes:,}"


def _kernels(rows: Sequence[Kernel], layer: str, value: Callable[[Kernel], str]) -> str:
    own = [row for row in rows if row.layer == layer and row.density == AT]
    found = {(row.chip, row.format, row.variant): value(row) for row in own}
    columns = list(dict.fromkeys((row.chip, row.variant) for row in own))
    lines = [[name, *(found.get((chip, name, variant), "-") for chip, variant in columns)] for name in FORMATS]
    return _table(["format", *(f"{chip} {variant}" for chip, variant in columns)], lines)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *lines))


def plot(rows: Sequence[Kernel], path: Path) -> None:
    """A PNG: a panel for each chip, bars for each format and variant of the linear kernels, by density."""
    from matplotlib.figure import Figure  # noqa: PLC0415 (heavy, and an extra)

    figure = Figure(figsize=(12, 7), layout="constrained")
    for axis, chip in zip(figure.subplots(2, 3).flat, CHIPS, strict=True):
        own = [row for row in rows if row.chip == chip and row.layer == "linear"]
        variants = sorted({row.variant for row in own}, key=lambda name: (name != PORTABLE, name))
        kinds = [(name, density) for name in variants for density in sorted({-row.density for row in own})]
        width = 0.8 / max(len(kinds), 1)
        for number, (variant, density) in enumerate(kinds):
            found = {row.format: row.instructions for row in own if (row.variant, -row.density) == (variant, density)}
            at = [index + (number - len(kinds) / 2) * width for index, name in enumerate(FORMATS) if name in found]
            color = (COLORS[variants.index(variant)], 0.4 + 0.6 * -density)
            axis.bar(at, list(found.values()), width, label=f"{variant}, {-density:.0%} not 0", color=color)
        axis.set_xticks(range(len(FORMATS)), list(FORMATS), rotation=40, fontsize=8)
        axis.set_title(chip, fontsize=10, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.25)
        axis.set_ylim(top=1.45 * axis.get_ylim()[1])  # room for the legend
        axis.legend(fontsize=6, ncols=len(variants), loc="upper left")
    figure.suptitle("instructions for a weight of a linear layer, 64 to 64", fontweight="bold")
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png", metadata={"Software": None})
