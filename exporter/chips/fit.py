# SPDX-License-Identifier: Apache-2.0
"""Does a recipe's network fit a chip? Before training: built with untrained weights, which take the same bytes."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exporter.chips.emulate import Report, emulate
from exporter.chips.image import Image, Options, Sizes, link_image, overflow
from exporter.export import export
from exporter.pack import row_bytes
from training import data, models
from training.formats import FORMATS
from training.recipe import check_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.chips.chip import Chip
    from training.data import Dataset
    from training.recipe import Recipe

IMAGES = 3  # training images that the emulated chip runs
TRIES = 8  # changes that are built, smallest first, until one fits


@dataclass(frozen=True)
class Fit:
    """Go or no-go, and what it would be.

    over          bytes too many, by memory: {"flash": 444}; empty where it fits
    exact         do flash and RAM follow from shapes and formats alone? `shift` compiles its trained shift into code
    change        the smallest change of one layer's format that makes it fit, and the bytes of flash it saves
    instructions  measured on the emulated chip: mean of some training images, and an image of the largest values
    """

    chip: str
    recipe: str
    fits: bool
    over: dict[str, int]
    exact: bool
    sizes: Sizes
    layers: dict[str, int]
    change: str | None
    instructions: int | None
    instructions_dense: int | None
    input_instructions: int | None

    def to_json(self) -> dict[str, Any]:
        """For `fit --json`: sizes beside the rest."""
        record = asdict(self)
        return {**record, **record.pop("sizes")}


def fit(recipe: Recipe, chip: Chip, options: Options) -> Fit:
    """Build an untrained network of the recipe for the chip, run it there if it fits. The test set is not opened."""
    train = data.load_train(recipe.data)
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
        folder = Path(scratch)
        image = _build(recipe, train, chip, options, folder)
        over = overflow(image)
        report, dense = None, None
        if not over:
            report = emulate(folder, chip, train.x[:IMAGES], options)
            top = np.full_like(train.x[:1], train.x.max())
            dense = emulate(folder, chip, top, Options(options.toolchain, options.optimize, 0))
    graph = image.graph
    return Fit(
        chip=chip.name,
        recipe=recipe.name,
        fits=not over,
        over=over,
        exact=all(node.op.kind != "shift" for node in graph.nodes),
        sizes=image.sizes,
        layers={node.name: sum(table.nbytes for table in node.op.tables()) for node in graph.nodes},
        change=_change(recipe, train, chip, options, image) if over else None,
        instructions=_of(report, "instructions"),
        instructions_dense=_of(dense, "instructions"),
        input_instructions=_of(report, "input_instructions"),
    )


def _of(report: Report | None, what: str) -> int | None:
    return None if report is None else int(getattr(report, what))


def _build(recipe: Recipe, train: Dataset, chip: Chip, options: Options, folder: Path) -> Image:
    model = models.build(recipe, train.x.shape[1:], str(train.x.dtype), len(train.labels))
    export(model.eval(), recipe.name, out=folder)
    return link_image(folder, chip, train.x[: options.samples], options)


def _change(recipe: Recipe, train: Dataset, chip: Chip, options: Options, image: Image) -> str | None:
    """The first of the smallest changes of format after which the image fits, as text."""
    least = overflow(image).get(chip.place.tables, 0)
    candidates = [candidate for candidate in _candidates(recipe, image) if candidate[0] >= least]
    for _, _, text, changed in sorted(candidates, key=lambda candidate: candidate[:2])[:TRIES]:
        with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
            other = _build(check_recipe(changed, recipe.name), train, chip, options, Path(scratch))
        if not overflow(other):
            return f"{text} saves {image.sizes.flash - other.sizes.flash:,} B"
    return None


def _candidates(recipe: Recipe, image: Image) -> Iterator[tuple[int, int, str, dict[str, Any]]]:
    """(bytes of weights saved, index, what changes, the changed recipe) for every layer and smaller format."""
    linear = [node for node in image.graph.nodes if node.op.kind == "linear"]
    for index, node in enumerate(linear):
        now = node.op.tables()[0]
        for name, other in FORMATS.items():
            n_out = image.graph.shapes[node.name][0]
            size = n_out * row_bytes(other, now.count // n_out)
            if size < now.nbytes:
                table = recipe.model_dump(exclude_none=True, mode="json")
                layers = [*table["model"]["layers"], table["model"].setdefault("last", {})]
                layers[index]["format"] = name
                yield int(now.nbytes - size), index, f"{node.name} {node.op.format_name()} -> {name}", table
