# SPDX-License-Identifier: Apache-2.0
"""What runs as one: operations that work on the same rows, before it is planned where and when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from exporter.ops import AvgPool, Concat, Conv, MulShift, Shift, Windowed
from exporter.ops.base import MAP_DIMS

if TYPE_CHECKING:
    from exporter.graph import Graph, Node


@dataclass(frozen=True, eq=False)
class Stage:
    """An operation with those behind it that change its rows in place: a convolution, its requantizer, a lookup.

    nodes   in the order they run; the last one's tensor is what the stage makes
    shape   of that tensor: (height, width, channels) where it is made row by row
    steps   calls that make it: a row each; 0 where one call makes the whole tensor
    height  of its inputs
    """

    nodes: tuple[Node, ...]
    shape: tuple[int, ...]
    steps: int
    height: int

    @property
    def main(self) -> Node:
        """The operation that reads what other stages made."""
        return self.nodes[0]

    @property
    def name(self) -> str:
        """The tensor it makes."""
        return self.nodes[-1].name

    @property
    def sums(self) -> bool:
        """Are sums behind it, without a requantizer of their own?"""
        return self.nodes[-1].op.out_type == "int32_t"

    @property
    def is_global(self) -> bool:
        """Is it a global mean, which takes a row at a time and makes something at the last?"""
        return isinstance(self.main.op, AvgPool) and self.main.op.is_global

    @cached_property
    def reach(self) -> tuple[int, int, int]:
        """Stride, first and count: step y reads the input rows y * stride + first and `count - 1` behind it."""
        op = self.main.op
        if isinstance(op, Windowed) and not self.is_global:
            return op.stride[0], -op.padding[0], op.size[0]
        return 1, 0, 1

    def reads(self, step: int) -> tuple[int, int]:
        """Input rows [begin, end) inside the map that a step needs."""
        stride, first, count = self.reach
        begin = step * stride + first
        return min(max(begin, 0), self.height), min(max(begin + count, 0), self.height)

    def makes(self, step: int) -> int:
        """Rows of its tensor that are there behind a step."""
        return int(step == self.steps - 1) if self.is_global else step + 1

    @property
    def one_channel(self) -> bool:
        """Can channel c of the output be made of channel c of the input alone?"""
        op = self.main.op
        pooled = isinstance(op, Windowed) and not isinstance(op, Conv)
        return not self.sums and (pooled or (isinstance(op, Conv) and op.depthwise))


def find_stages(graph: Graph) -> list[Stage]:
    """The stages of a network, in the order of the graph; the input rule is none of them."""
    stages, taken = [], set()
    for node in graph.nodes:
        if node.op.raw or node.name in taken:
            continue
        nodes = [node]
        row_wise = len(graph.shapes[node.name]) == MAP_DIMS and (
            isinstance(node.op, (Windowed, Concat)) or node.op.elementwise
        )
        while row_wise and (after := _goes_on(graph, nodes[-1])) is not None:
            nodes.append(after)
        taken |= {n.name for n in nodes}
        shape = graph.shapes[nodes[-1].name]
        height = node.op.in_shape[0] if isinstance(node.op, Windowed) else shape[0]
        is_global = isinstance(node.op, AvgPool) and node.op.is_global
        steps = (height if is_global else shape[0]) if row_wise else 0
        stages.append(Stage(tuple(nodes), shape, steps, height))
    return stages


def _goes_on(graph: Graph, node: Node) -> Node | None:
    """The operation that alone reads a tensor and can change its rows where they lie."""
    readers = graph.readers(node.name)
    if len(readers) != 1:
        return None
    op = readers[0].op
    fits = (
        isinstance(op, (MulShift, Shift))
        if isinstance(node.op, Conv)
        else op.elementwise and len(readers[0].inputs) == 1
    )
    return readers[0] if fits else None
