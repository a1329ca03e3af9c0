# SPDX-License-Identifier: Apache-2.0
"""What kernels cost: instructions for a weight by format, variant and core, and of whole networks; exact counts."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from exporter.chips import products, untrained
from exporter.chips.chip import load_chip
from exporter.chips.choice import key
from exporter.chips.emulate import measure, roomy
from exporter.chips.image import Options, link_image
from exporter.chips.isa import ISAS
from exporter.chips.parts import function_bytes
from exporter.codecs import CODECS
from exporter.export import export
from exporter.graph import load_graph
from exporter.variants import PORTABLE
from training import data
from training.errors import HalfbyteError
from training.formats import FORMATS
from training.recipe import check_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.chips.chip import Chip
    from training.recipe import Recipe

CHIPS = ("ch32v003", "ch32v002", "esp32c3", "stm32g030", "stm32f411", "atmega328p")  # one for each instruction set
DENSITIES = (1.0, 0.5, 0.25)  # of activations that are not 0
AT = 0.5  # the density of what is recorded for `auto` to choose by
WIDTH = 64  # inputs and outputs of a layer; channels of a convolution are an eighth
CODED = "int4"  # format of the layer that a codec is counted with
FEWER = 3  # formats, where those of one image have to be few
PLAIN = Options(samples=0, codec="plain")
LAYERS: dict[str, dict[str, Any]] = {
    "linear": {"linear": WIDTH},
    "conv": {"conv": WIDTH // 8, "padding": 1, "scale": "channel", "requant": "mulshift"},
    "depthwise": {"conv": WIDTH // 8, "depthwise": True, "padding": 1, "scale": "channel", "requant": "mulshift"},
}


@dataclass(frozen=True)
class Kernel:
    """A row: `instructions` for a product, zeros included, at a density of nonzero activations; `bytes` of code."""

    chip: str
    layer: str  # a key of LAYERS
    format: str
    variant: str
    kernel: str
    density: float
    instructions: float
    bytes: int


def network(layer: str, formats: Sequence[str]) -> Recipe:
    """A network with one such layer of each format, between one that takes the data and one that makes the scores."""
    first: dict[str, Any] = {"linear": WIDTH} if layer == "linear" else {"conv": WIDTH // 8, "padding": 1}
    middle: list[dict[str, Any]] = [{**LAYERS[layer], "format": name} for name in formats]
    end = [] if layer == "linear" else [{"global_average": True}]
    table = {"layers": [{**first, "format": "int8", "requant": "mulshift"}, *middle, *end], "last": {"format": "int8"}}
    about = f"every format, {layer}"
    return check_recipe(
        {"name": "kernels", "about": about, "data": "digits", "model": table, "train": {"epochs": 1}}, about
    )


def count(chip: Chip, layer: str, variant: str, density: float) -> list[Kernel]:
    """The rows of all formats, from one image, or from several where the emulated core has no room for all kernels."""
    step = FEWER if ISAS[chip.isa].family == "avr" else len(FORMATS)
    names = tuple(FORMATS)
    parts = [names[at : at + step] for at in range(0, len(names), step)]
    return [row for part in parts for row in _count(chip, layer, variant, density, part)]


def _count(
    chip: Chip, layer: str, variant: str, density: float, names: Sequence[str], codec: str | None = None
) -> list[Kernel]:
    recipe = network(layer, names)
    train = data.load_train(recipe.data)
    generator = torch.Generator().manual_seed(1)
    model = untrained.set_density(untrained.draw(untrained.build(recipe, train), generator), density, generator)
    x = untrained.sample(train, recipe, density)
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
        export(model, recipe.name, out=scratch, plan="layer")
        room = roomy(roomy(chip, PLAIN), PLAIN)  # for the weights and kernels of all formats
        image = link_image(
            Path(scratch), room, x[:0], replace(PLAIN, variant=variant, variants=_forced(Path(scratch), codec))
        )
    report = measure(image, x)
    if report.mismatches:
        raise HalfbyteError(f"{chip.name}, {variant}: {report.mismatches} scores differ; {report.first}")
    counted = {found.name: found for found in report.layers}
    rows = []
    nodes = [node for node in image.graph.nodes if node.op.format_name() != "-"][1:-1]
    for node, name in zip(nodes, names, strict=True):
        instructions = counted[node.name].instructions or 0
        size = function_bytes(image.elf.raw, node.kernel())
        weights: float = products.by_layer(image.graph)[node.name]
        if codec:
            weights *= CODECS[codec].steps(node.op.w) / node.op.w.size  # type: ignore[attr-defined]
        own = counted[node.name].variant
        rows.append(Kernel(chip.name, layer, name, own, node.kernel(), density, instructions / weights, size))
    return rows


def _forced(folder: Path, codec: str | None) -> dict[str, str] | None:
    """Operation -> codec, where it can hold it."""
    if codec is None:
        return None
    return {node.name: codec for node in load_graph(folder).nodes if CODECS[codec].serves(node.op)}


def count_codec(chip: Chip, layer: str, name: str) -> list[Kernel]:
    """The row of a codec at density AT, its `instructions` for one of its steps; none where it has no kernel."""
    rows = _count(chip, layer, PORTABLE, AT, (CODED,), codec=name)
    return [row for row in rows if row.variant == name]


def codec_jobs() -> list[tuple[Chip, str, str]]:
    """Chip, layer and codec of every image that is counted."""
    return [(load_chip(name), layer, codec) for name in CHIPS for layer in ("linear", "conv") for codec in CODECS]


def count_codecs() -> Iterator[list[Kernel]]:
    """The row of each job."""
    for chip, layer, name in codec_jobs():
        yield count_codec(chip, layer, name)


def jobs() -> list[tuple[Chip, str, str, float]]:
    """Chip, layer, variant and density of every image that is counted."""
    chips = [load_chip(name) for name in CHIPS]
    return [
        (chip, layer, variant, density)
        for chip in chips
        for layer in LAYERS
        for variant in (PORTABLE, *ISAS[chip.isa].variants)
        for density in DENSITIES
    ]


def count_all() -> Iterator[list[Kernel]]:
    """The rows of each job; a kernel that a variant does not have of its own is in no row of it."""
    for chip, layer, variant, density in jobs():
        yield [row for row in count(chip, layer, variant, density) if row.variant == variant]


def to_json(rows: Sequence[Kernel]) -> str:
    """costs.json, what `exporter.chips.choice` goes by: of the rows at density AT."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        if row.density == AT:
            cost = {"instructions": round(row.instructions, 2), "bytes": row.bytes}
            name = key(row.layer, row.kernel)
            table.setdefault(load_chip(row.chip).isa, {})[name] = cost
    lines = {isa: [f'  "{name}": {json.dumps(cost)}' for name, cost in found.items()] for isa, found in table.items()}
    parts = [f' "{isa}": {{\n' + ",\n".join(inner) + "\n }" for isa, inner in lines.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"
