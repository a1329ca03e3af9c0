# SPDX-License-Identifier: Apache-2.0
"""Whole networks beside the best public kernels for them, in exact instructions of an inference."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter.chips import products, untrained
from exporter.chips.chip import load_chip
from exporter.chips.emulate import measure, roomy
from exporter.chips.image import Options, link_image
from exporter.chips.toolchain import TOOLCHAINS
from training import data
from training.errors import HalfbyteError
from training.recipe import check_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from exporter.chips.emulate import LayerCount
    from training.recipe import Recipe

LEVELS = ("s", "2")
NO_GCC = ("there is no gcc", "not installed")
CHIPS = ("ch32v003", "ch32v002", "esp32c3", "stm32g030", "stm32f411", "atmega328p")


def _dense(name: str, weights: str, *widths: int) -> Recipe:
    return _recipe(name, {"format": weights, "layers": [{"linear": width} for width in widths]})


def _depthwise(name: str, channels: int) -> Recipe:
    folded = {"scale": "channel", "requant": "mulshift", "norm": "batch", "format": "int8"}
    depthwise = [{"conv": channels, "depthwise": True, **folded}, {"maxpool": 2}]
    plain = {"scale": "tensor", "requant": "maxshift", "norm": "rms"}
    dense = [{"linear": 96, "format": "sym2", **plain}, {"linear": 64, "format": "sym4", **plain}]
    layers = [{"conv": channels, **folded}, *depthwise, *depthwise, *dense]
    return _recipe(name, {"layers": layers, "last": {"format": "sym4"}})


def _recipe(name: str, model: dict[str, Any]) -> Recipe:
    head = {"name": name, "about": "a network that public kernels were measured with", "data": "mnist"}
    return check_recipe(
        {**head, "input": {"resize": [16, 16], "shift": 1}, "model": model, "train": {"epochs": 1}}, name
    )


@dataclass(frozen=True)
class Network:
    """A network, and the instructions of the best public kernels for one of MNIST's images, in the order of CHIPS.

    They were counted of BitNetMCU's kernels, the fewest of gcc 12's -Os, -O2 and -O3. None: they do not fit.
    """

    recipe: Recipe
    public: tuple[int | None, ...]


NETWORKS = (
    Network(_dense("fc-12k-sym4", "sym4", 64, 64, 64), (437_785, 219_258, 219_187, 362_291, 211_463, 1_290_000)),
    Network(_dense("fc-12k-shift4", "shift4", 64, 64, 64), (214_975, 214_975, 201_243, 277_799, 213_596, 5_881_000)),
    Network(_dense("fc-1k-sym2", "sym2", 16, 16), (34_175, 34_175, 34_065, 53_529, 37_905, 150_338)),
    Network(_dense("fc-ternary", "ternary", 60, 60, 60), (183_277, 183_399, 179_690, 226_890, 157_802, 573_460)),
    Network(_dense("fc-binary", "binary", 64, 64, 64), (171_735, 171_735, 171_599, 250_793, 209_615, 575_478)),
    Network(_depthwise("cnn-16", 16), (5_805_910, 372_189, 299_000, 430_006, 298_879, 4_017_000)),
    Network(_depthwise("cnn-64", 64), (23_100_173, 1_359_947, 1_066_916, 1_502_017, 1_068_332, None)),
)


@dataclass(frozen=True)
class Row:
    """A network on a chip: the fewest mean `instructions` of all ways to compile it, and what it has to do at least.

    limit  products whose activation is not 0, and bytes of weights: each is read once, each is added once
    """

    network: str
    chip: str
    built_by: str
    images: int
    instructions: int
    public: int | None
    limit: int
    flash: int
    layers: tuple[LayerCount, ...]

    @property
    def times(self) -> float | None:
        """How many times as many instructions the public kernels take."""
        return self.public / self.instructions if self.public else None


def jobs() -> list[tuple[Network, int]]:
    """Network and number of the chip, of every row."""
    return [(network, chip) for network in NETWORKS for chip in range(len(CHIPS))]


def run_all(images: int) -> Iterator[Row]:
    """A row for each job: the fewest instructions by zig, and by gcc where it is installed. Weights are drawn."""
    x = data.load_test("mnist").x[:images]
    for network, chip in jobs():
        with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
            untrained.export_untrained(network.recipe, Path(scratch))
            ways = [Options(toolchain, level, samples=0) for toolchain in TOOLCHAINS for level in LEVELS]
            found = [row for way in ways if (row := _row(network, chip, Path(scratch), way, x))]
        yield min(found, key=lambda row: row.instructions)


def _row(network: Network, number: int, folder: Path, options: Options, x: npt.NDArray[Any]) -> Row | None:
    """None where there is no gcc for the chip."""
    chip = load_chip(CHIPS[number])
    try:
        image = link_image(folder, roomy(chip, options), x[:0], options)
    except HalfbyteError as error:
        if any(reason in str(error) for reason in NO_GCC):
            return None
        raise
    report = measure(image, x)
    if report.mismatches:
        raise HalfbyteError(f"{report.name} on {chip.name}: {report.mismatches} scores differ, first {report.first}")
    nonzero = round(products.density(image.graph, x) * sum(products.by_layer(image.graph).values()))
    return Row(
        network=network.recipe.name,
        chip=chip.name,
        built_by=f"{options.toolchain} -O{options.compile}",
        images=len(x),
        instructions=report.instructions or 0,
        public=network.public[number],
        limit=image.graph.weight_bytes + nonzero,
        flash=report.flash,
        layers=report.layers,
    )
