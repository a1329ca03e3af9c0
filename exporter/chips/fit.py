# SPDX-License-Identifier: Apache-2.0
"""Does a recipe's network fit a chip? Before training: built with drawn weights, which take the same bytes."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from exporter.chips import products, untrained
from exporter.chips.emulate import measure, run_images
from exporter.chips.image import Image, Options, Sizes, build, link_image, overflow, ram_needed, samples_that_fit
from exporter.chips.machine import mean
from exporter.chips.storing import Way, ways
from exporter.export import export
from exporter.pack import row_bytes
from exporter.variants import PORTABLE
from training import data
from training.formats import FORMATS
from training.recipe import check_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from exporter.chips.chip import Chip
    from exporter.graph import Graph
    from training.data import Dataset
    from training.recipe import Recipe

IMAGES = 3  # training images that the emulated chip runs; of a network of HEAVY products or more, one
HEAVY = 100_000
DENSITIES = 1.0, 0.5, 0.3
TRIES = 8  # changes that are built, smallest first, until one fits
KERNEL = 400  # bytes of code that go with the last layer of a format, about
SATURATED = 1e-3  # times the clip scale: every weight is clipped to the outermost level


@dataclass(frozen=True)
class Cost:
    """An inference on the emulated chip: mean instructions, cycles and milliseconds by the model of the core.

    asked    fraction of inputs and channels that were made nonzero; None where nothing was made so
    density  fraction of the products whose activation is not 0, over all layers with weights, as it came out
    cycles   None, as ms, where the core has no model; instructions are None where nothing counts them
    """

    asked: float | None
    density: float
    instructions: int | None
    cycles: int | None
    ms: float | None


@dataclass(frozen=True)
class LayerNeed:
    """Constants of an operation in bytes, and its mean instructions; None where the network does not fit.

    variant  of its kernel
    """

    name: str
    op: str
    format: str
    bytes: int
    instructions: int | None
    variant: str


@dataclass(frozen=True)
class Fit:
    """Go or no-go, and what it would be. Bytes are those of the trained image: code follows from shapes and formats.

    over       bytes too many, by memory: {"flash": 444}; empty where it fits
    change     fewer stored samples; else the smallest change of one layer's format that makes it fit, and the bytes of
               flash it saves
    least_ram  bytes of RAM that the image needs, stack included
    peak       what takes the most of them: bytes by name, with the buffers that are in use at the peak of the plan
    typical    some training images, weights drawn as trained ones are distributed
    worst      the largest input and no activation 0: with drawn weights or with outermost levels, what takes more
    ways       how each tensor of weights can be stored; entropies are those of drawn weights, not of trained ones
    densities  the input and the channels of every layer are 0 but for a fraction, DENSITIES
    """

    chip: str
    recipe: str
    fits: bool
    over: dict[str, int]
    sizes: Sizes
    layers: tuple[LayerNeed, ...]
    least_ram: int
    peak: dict[str, int]
    change: str | None = None
    typical: Cost | None = None
    worst: Cost | None = None
    densities: tuple[Cost, ...] = ()
    input_instructions: int | None = None
    ways: dict[str, tuple[Way, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For `fit --json`: the sizes stand beside the rest."""
        record = asdict(self)
        sizes = record.pop("sizes")
        return {**record, **sizes}


def fit(recipe: Recipe, chip: Chip, options: Options) -> Fit:
    """Build an untrained network of the recipe for the chip, run it there if it fits. The test set is not opened."""
    train = data.load_train(recipe.data)
    torch.manual_seed(recipe.train.seed)
    generator = torch.Generator().manual_seed(recipe.train.seed)
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
        export(untrained.draw(untrained.build(recipe, train), generator), recipe.name, out=scratch)
        image = link_image(Path(scratch), chip, train.x[: options.samples], options)
    over, needed = overflow(image), ram_needed(image)
    layers = _layers(image.graph, {})
    found = Fit(chip.name, recipe.name, not over, over, image.sizes, layers, sum(needed.values()), needed)
    found = replace(found, ways=ways(image.graph, chip))
    if over:
        return replace(found, change=_change(recipe, train, chip, options, image))
    heavy = sum(products.by_layer(image.graph).values()) >= HEAVY
    x = train.x[: 1 if heavy else IMAGES]
    report = measure(image, x)
    density, cycles = products.density(image.graph, x), report.cycles
    densities = tuple(_cost(recipe, train, chip, options, generator, density) for density in DENSITIES)
    return replace(
        found,
        layers=_layers(image.graph, {layer.name: layer.instructions for layer in report.layers}),
        typical=Cost(None, density, report.instructions, cycles, _ms(chip, cycles)),
        worst=_larger(densities[0], _cost(recipe, train, chip, options, generator, 1.0, largest=True)),
        densities=densities,
        input_instructions=report.input_instructions,
    )


def refuse(model: nn.Module, name: str, chip: Chip) -> None:
    """HalfbyteError where an image of this untrained network could not be built for the chip, or would not fit it."""
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
        drawn = untrained.draw(copy.deepcopy(model), torch.Generator().manual_seed(0))
        exported = export(drawn, name, out=scratch)
        build(Path(scratch), chip, np.zeros((1, *exported.graph.shape), exported.graph.dtype))


def _layers(graph: Graph, instructions: dict[str, int | None]) -> tuple[LayerNeed, ...]:
    return tuple(
        LayerNeed(
            node.name,
            node.op.kind,
            node.op.format_name(),
            sum(table.nbytes for table in node.tables()),
            instructions.get(node.name),
            graph.kernels.get(node.name, PORTABLE),
        )
        for node in graph.nodes
    )


def _larger(one: Cost, other: Cost) -> Cost:
    by_cycles = max(one, other, key=lambda cost: cost.cycles or 0)
    instructions = max((cost.instructions for cost in (one, other) if cost.instructions is not None), default=None)
    return replace(by_cycles, instructions=instructions)


def _ms(chip: Chip, cycles: int | None) -> float | None:
    return round(1000 * cycles / chip.clock_hz, 3) if cycles and chip.clock_hz else None


def _cost(
    recipe: Recipe,
    train: Dataset,
    chip: Chip,
    options: Options,
    generator: torch.Generator,
    density: float,
    *,
    largest: bool = False,
) -> Cost:
    """What an inference takes with this fraction of nonzero inputs and of channels that are not 0."""
    model = untrained.set_density(untrained.draw(untrained.build(recipe, train), generator), density, generator)
    if largest:
        for layer in untrained.weighted(model):
            layer.clip_scale *= SATURATED
    x = untrained.sample(train, recipe, density)
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
        export(model, recipe.name, out=scratch)
        image = link_image(Path(scratch), chip, x[:0], replace(options, samples=0))
    machine, _, _ = run_images(image, x)
    cycles = machine.cycles(0, len(x))
    instructions = mean(machine.counted(0).instructions, len(x))
    return Cost(density, products.density(image.graph, x), instructions, cycles, _ms(chip, cycles))


def _change(recipe: Recipe, train: Dataset, chip: Chip, options: Options, image: Image) -> str | None:
    """Fewer samples, or the change of a layer's format that saves the fewest bytes of those after which it fits."""
    over = overflow(image)
    if set(over) != {chip.place.tables}:
        return None  # data and stack do not depend on formats
    if samples := samples_that_fit(image, over[chip.place.tables]):
        return f"--samples {samples}"
    least = over[chip.place.tables] - KERNEL
    candidates = [candidate for candidate in _candidates(recipe, image) if candidate[0] >= least]
    for _, _, text, changed in sorted(candidates, key=lambda candidate: candidate[:2])[:TRIES]:
        other = check_recipe(changed, recipe.name)
        with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
            model = untrained.draw(untrained.build(other, train), torch.Generator().manual_seed(recipe.train.seed))
            export(model, recipe.name, out=scratch)
            built = link_image(Path(scratch), chip, train.x[: options.samples], options)
        if not overflow(built):
            return f"{text} saves {image.sizes.flash - built.sizes.flash:,} B"
    return None


def _candidates(recipe: Recipe, image: Image) -> Iterator[tuple[int, int, str, dict[str, Any]]]:
    """(bytes of weights saved, index, what changes, changed recipe), for every layer and smaller size of its weights.

    Of the formats that take as many bytes it is the one that another layer has, whose kernel is there already.
    """
    weighted = [node for node in image.graph.nodes if node.op.format_name() != "-"]
    used = {node.op.format_name() for node in weighted}
    with_format = [at for at, layer in enumerate(recipe.model.layers) if "format" in type(layer).model_fields]
    for index, node in enumerate(weighted):
        now = node.tables()[0]
        n_out = image.graph.shapes[node.name][-1]  # the channels of a map come last
        sizes: dict[int, str] = {}
        for name in sorted(FORMATS, key=lambda name: name not in used):
            sizes.setdefault(n_out * row_bytes(FORMATS[name], now.count // n_out), name)
        for size, name in sizes.items():
            if size < now.nbytes:
                table = recipe.model_dump(exclude_none=True, mode="json")
                layers = [table["model"]["layers"][at] for at in with_format] + [table["model"].setdefault("last", {})]
                layers[index]["format"] = name
                yield int(now.nbytes - size), index, f"{node.name} {node.op.format_name()} -> {name}", table
