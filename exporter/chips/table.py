# SPDX-License-Identifier: Apache-2.0
"""docs/chips-table.md: images for every chip, built in every way, run with test images; as tables."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from exporter.chips.chip import chip_names, load_chip
from exporter.chips.emulate import row
from exporter.chips.image import Options, test_images
from exporter.chips.toolchain import COMPILE, TOOLCHAINS
from exporter.runs import export_run
from training import loop
from training.formats import FORMATS
from training.recipe import load_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# A small network with every format, and every requantizer; 24 x 24 weights in all layers but the first and the last.
RECIPE, WIDTH, EPOCHS = "digits-fc", 24, 3
REQUANTS: tuple[dict[str, str], ...] = (
    {},
    {"requant": "mulshift", "norm": "none"},
    {"requant": "shift", "norm": "none"},
    {},
    {"requant": "mulshift", "norm": "batch"},
)
EVERY, HEADLINE = "every format", "mnist-fc-12k"  # these are built in every way, the other models in one
PLAIN = Options()
COLUMNS = {
    "images": "images",
    "mismatches": "integers that differ",
    "flash": "flash",
    "ram": "RAM",
    "stack": "stack",
    "stack_bound": "its bound",
    "instructions": "instructions",
    "input_instructions": "input rule",
    "cycles": "cycles",
}
HEAD = """\
# Every chip, emulated

    halfbyte bench chips

Each image was built for its chip and run on the emulated one, with {images} test images sent over its UART. Integers
are compared in every layer of every image, and once more in the scores of the image without trace: {rows} images of
firmware, {differ} integers differ. Bytes are those of the linked image with the app and one stored sample in it; where
code runs from RAM, RAM includes it. Instructions and cycles are means of an inference. Cycles are simavr's on the
ATmega328P, a model's elsewhere (chips.md). Compilers: ziglang from pip as in `constraints.txt`, gcc 12 of Debian 12.
-Omix is -O2 for the kernels and smallest for the rest; `-` is what nothing counts there.
"""
MIXED = """
## Every weight format

A network of {layers} layers with all formats and requantizers, trained for {epochs} epochs on scikit-learn's digits.
"""
BY_FORMAT = """
## Instructions for a weight

In the same images, of the kernel in a layer of {width}x{width} weights. With -Omix they are those of -O2. WebAssembly
and the host are not counted by layer.
"""
MODELS = """
## The models that ship

Instructions of an inference, built by zig -Os.
"""


def train_every_format(folder: Path) -> None:
    """Train and export the network with all formats."""
    table = [{"linear": WIDTH, "format": "int8"}]  # takes the pixels: all formats get layers of one size
    table += [{"linear": WIDTH, "format": f, **r} for f, r in zip(FORMATS, itertools.cycle(REQUANTS), strict=False)]
    layers = ",".join("{" + ",".join(f"{key}={json.dumps(v)}" for key, v in one.items()) + "}" for one in table)
    loop.train(load_recipe(RECIPE, [f"train.epochs={EPOCHS}", f"model.layers=[{layers}]"]), folder)
    export_run(folder)


def jobs(every: Path, models: Sequence[Path]) -> list[tuple[str, Path, str, Options]]:
    """What is built: name and folder of a network, chip, options."""
    ways = [Options(toolchain, way) for toolchain in TOOLCHAINS for way in COMPILE]
    thorough = {EVERY: every} | {folder.name: folder for folder in models if folder.name == HEADLINE}
    found = [(name, path, chip, way) for name, path in thorough.items() for chip in chip_names() for way in ways]
    return found + [(path.name, path, c, PLAIN) for path in models if path.name != HEADLINE for c in chip_names()]


def run_all(every: Path, models: Sequence[Path], images: int) -> Iterator[dict[str, Any]]:
    """A row for each image that can be built and run here, with the name of its network."""
    for name, folder, chip, options in jobs(every, models):
        yield {"network": name, **row(folder, load_chip(chip), test_images(folder, images), options)}


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The page."""
    ran = [one for one in rows if one["mismatches"] is not None]
    thorough = {name: [one for one in rows if one["network"] == name] for name in (EVERY, HEADLINE)}
    layers = sum(layer["op"] == "linear" for layer in next(one for one in ran if one["network"] == EVERY)["layers"])
    return "".join(
        (
            HEAD.format(images=ran[0]["images"], rows=len(ran), differ=sum(one["mismatches"] for one in ran)),
            MIXED.format(layers=layers, epochs=EPOCHS),
            _sizes(thorough[EVERY]),
            BY_FORMAT.format(width=WIDTH),
            _by_format(thorough[EVERY]),
            f"\n## {HEADLINE}\n",
            _sizes(thorough[HEADLINE]),
            MODELS,
            _by_model(rows),
        )
    )


def _sizes(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        [one["chip"], _built(one), one["note"] or _cell(one["images"]), *(_cell(one[key]) for key in list(COLUMNS)[1:])]
        for one in rows
        if one["note"] != "there is no gcc"
    ]
    return _table(["chip", "built by", *COLUMNS.values()], lines)


def _by_format(rows: Sequence[dict[str, Any]]) -> str:
    lines = []
    for one in rows:
        square = [layer for layer in one["layers"] or () if layer["op"] == "linear"][1:-1]
        if square and square[0]["instructions"] is not None and one["compile"] != "mix":
            costs = {layer["format"]: layer["instructions"] / WIDTH**2 for layer in square}
            lines.append([one["chip"], _built(one), *(f"{costs[name]:.1f}" for name in FORMATS)])
    return _table(["chip", "built by", *FORMATS], lines)


def _by_model(rows: Sequence[dict[str, Any]]) -> str:
    plain = [one for one in rows if one["network"] != EVERY and _built(one) == "zig -Os"]
    chips = list(dict.fromkeys(one["chip"] for one in plain))
    found = {(one["network"], one["chip"]): one["note"] or _cell(one["instructions"]) for one in plain}
    names = sorted({one["network"] for one in plain})
    return _table(["network", *chips], [[name, *(found[name, chip] for chip in chips)] for name in names])


def _built(one: dict[str, Any]) -> str:
    return f"{one['toolchain']} -O{one['compile']}"


def _cell(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *lines))
