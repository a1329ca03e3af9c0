# SPDX-License-Identifier: Apache-2.0
"""Which variant of its kernel each operation gets on a chip: the fastest, as long as it fits."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.chips.isa import ISAS
from exporter.graph import KERNELS
from exporter.ops import Conv
from exporter.variants import PORTABLE, VARIANTS

if TYPE_CHECKING:
    from exporter.chips.chip import Chip
    from exporter.graph import Graph, Node

AUTO = "auto"
COSTS = Path(__file__).parent / "costs.json"  # made by: halfbyte bench kernels --record


@dataclass(frozen=True)
class Cost:
    """Of a kernel on an instruction set, compiled by zig for size.

    instructions  for a weight, where half of the activations are 0; with a codec, for one of its steps
    bytes         of its code
    """

    instructions: float
    bytes: int


@cache
def costs() -> dict[str, dict[str, Cost]]:
    """Instruction set -> layer and kernel -> what was measured of it."""
    table = json.loads(COSTS.read_text(encoding="utf-8"))
    return {isa: {name: Cost(**cost) for name, cost in kernels.items()} for isa, kernels in table.items()}


def variants_of(node: Node, chip: Chip, variant: str = AUTO) -> list[str]:
    """The variants that an operation can have on a chip, the usually fastest first and the portable one last."""
    names = {AUTO: ISAS[chip.isa].variants, PORTABLE: ()}.get(variant, (variant,))
    return [*(name for name in names if VARIANTS[name].serves(node.op)), PORTABLE]


def first_choice(graph: Graph, chip: Chip, variant: str) -> dict[str, str]:
    """Operation -> the fastest of its variants, by what was measured; with a variant given, that one where it can.

    What is coded stays so.
    """
    known = costs().get(chip.isa, {})
    found = {}
    for node in graph.nodes:
        if node.name in graph.codecs:
            found[node.name] = graph.codecs[node.name]
            continue
        names = variants_of(node, chip, variant)
        if variant == AUTO:
            measured = {name: cost.instructions for name in names if (cost := _cost(known, node, name))}
            names = sorted(measured, key=measured.__getitem__) or names
        if names[0] != PORTABLE:
            found[node.name] = names[0]
    return found


def _cost(known: dict[str, Cost], node: Node, variant: str | None = None) -> Cost | None:
    """Of an operation by a variant; of none, as it is."""
    if variant is not None:
        node = replace(node, variant=KERNELS.get(variant))
    return known.get(key(layer_of(node), node.kernel()))


def layer_of(node: Node) -> str:
    """What a kernel does for an operation: a linear one makes the pixels of a convolution of several channels, too."""
    if not isinstance(node.op, Conv):
        return node.op.kind
    return "conv" if node.op.channels > 1 else "depthwise"


def key(layer: str, kernel: str) -> str:
    """Name of a measurement in costs.json."""
    return f"{layer} by {kernel}"
