# SPDX-License-Identifier: Apache-2.0
"""Products of a weight and an activation: how many there are, and how many are not 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exporter import reference
from exporter.ops import Conv

if TYPE_CHECKING:
    import numpy.typing as npt

    from exporter.graph import Graph, Node


def by_layer(graph: Graph) -> dict[str, int]:
    """Products of a weight and an activation in an inference, by layer; what lies outside a map takes none."""
    ones = {node.name: np.ones((1, *graph.shapes[node.name]), np.int64) for node in graph.nodes}
    return {node.name: nonzero(node, ones[node.inputs[0]]) for node in graph.nodes if node.op.format_name() != "-"}


def nonzero(node: Node, x: npt.NDArray[np.integer]) -> int:
    """Products of a layer whose activation is not 0, over all samples."""
    op, mask = node.op, (x != 0).astype(np.int64)
    if isinstance(op, Conv):  # every pixel of an input channel is a factor for all output channels of its group
        return sum(int(pixels.sum()) for _, pixels in op.taps(mask, 0)) * (op.out_channels // op.groups)
    return int(mask.sum()) * op.tables()[0].count // mask[0].size


def density(graph: Graph, x: npt.NDArray[np.integer]) -> float:
    """Fraction of the products of all layers whose activation is not 0, by the reference."""
    tensors = {"raw": x, **reference.run(graph, x)}
    products = by_layer(graph)
    count = sum(nonzero(node, tensors[node.inputs[0]]) for node in graph.nodes if node.name in products)
    return round(count / (len(x) * sum(products.values())), 3)
