# SPDX-License-Identifier: Apache-2.0
"""The best format for every layer that a chip's flash allows: what is linked is measured, kernels are counted in."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exporter.chips.choice import AUTO, costs, first_choice, key, layer_of
from exporter.chips.image import Image, Options, check_fits, link_image, overflow, used_bytes
from exporter.export import export
from exporter.mixed import Candidates, Choice, Option, choose_with_kernels, weights_of, with_formats
from exporter.variants import PORTABLE
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from torch import nn

    from exporter.chips.chip import Chip
    from exporter.graph import Graph

TRIES = 6  # images that are linked, each with the bytes less that the last one was too large


@dataclass(frozen=True)
class Fitted:
    """A choice, and the flash of its image."""

    choice: Choice
    flash: int
    size: int


def for_chip(model: nn.Module, name: str, found: Candidates, chip: Chip, options: Options) -> Fitted:
    """The best formats whose image fits the chip, with the fastest kernels where any do, else the portable.

    Of at most three formats, since each brings kernels of its own. HalfbyteError says how many bytes are missing.
    """
    least = None
    for variant in [options.variant, PORTABLE] if options.variant == AUTO else [options.variant]:
        fitted, over = _with_variant(model, name, found, chip, replace(options, variant=variant))
        if fitted is not None:
            return fitted
        least = over if least is None else min(least, over)
    raise HalfbyteError(
        f"{name} does not fit {chip.name} in any format: the smallest that was found is {least:,} bytes too large; "
        "make layers narrower, or take another chip (halfbyte chips)"
    )


def _with_variant(
    model: nn.Module, name: str, found: Candidates, chip: Chip, options: Options
) -> tuple[Fitted | None, int]:
    """The best that fits with these kernels; if there is none, how many bytes it is too large at least."""
    graphs = {
        fmt: graph.with_kernels(first_choice(graph, chip, options.variant)) for fmt, graph in found.graphs.items()
    }
    kernels = {fmt: _kernel_bytes(graph, chip) for fmt, graph in graphs.items()}
    layers = [
        [Option(option.format, weights_of(graphs[option.format], path), option.loss) for option in by_format]
        for path, by_format in zip(found.paths, found.layers, strict=True)
    ]
    smallest = min(
        (sum(o.bytes for by in layers for o in by if o.format == fmt) + kernels[fmt], fmt)
        for fmt in graphs
        if all(any(o.format == fmt for o in by) for by in layers)
    )
    image = _linked(model, name, dict.fromkeys(found.paths, smallest[1]), chip, options)
    memory = chip.place.tables
    if set(overflow(image)) - {memory}:
        check_fits(image)  # no format helps where data and stack are too large
    size = next(m.size for m in chip.memory if m.name == memory)
    budget = size - (used_bytes(image)[memory] - smallest[0])
    over = overflow(image).get(memory, 0)
    for _ in range(TRIES):
        chosen = choose_with_kernels(layers, kernels, budget)
        if chosen is None:
            break
        formats = [option.format for option in chosen.options]
        image = _linked(model, name, dict(zip(found.paths, formats, strict=True)), chip, options)
        if not overflow(image):
            return Fitted(chosen, used_bytes(image)[memory], size), 0
        budget -= max(overflow(image).values())
    return None, over


def _linked(model: nn.Module, name: str, formats: dict[str, str], chip: Chip, options: Options) -> Image:
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
        exported = export(with_formats(model, formats), name, out=scratch)
        graph = exported.graph
        x = np.zeros((options.samples, *graph.shape), graph.dtype)
        variants = first_choice(graph, chip, options.variant)
        return link_image(Path(scratch), chip, x, replace(options, variants=variants))


def _kernel_bytes(graph: Graph, chip: Chip) -> int:
    """Of the different kernels with weights, by what was measured of them."""
    known = costs().get(chip.isa, {})
    names = {key(layer_of(node), node.kernel()) for node in graph.nodes if node.op.format_name() != "-"}
    return sum(known[name].bytes for name in names if name in known)
