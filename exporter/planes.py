# SPDX-License-Identifier: Apache-2.0
"""Which groups that go by channels can do so with the plane kernels of a variant (SPEC 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.ops import Clip, Conv, InputPlanes, InputShift, MaxPool, MaxShift, MulShift, Shift

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.graph import Graph
    from exporter.grouping import Group
    from exporter.stages import Stage

ROWS = 2  # of a plane in a word: (0, 0) and (1, 0), (0, 1) and (1, 1) ..., then rows 2 and 3
WORD_BYTES = 4
MAX_HEIGHT = 508  # of a map: its spans count pairs of rows in bytes


@dataclass(frozen=True, eq=False)
class Unit:
    """A convolution of one channel with its requantizer, and the pooling behind it: what a plane kernel makes."""

    conv: Stage
    pool: Stage | None

    @property
    def last(self) -> Stage:
        """The stage whose tensor it makes."""
        return self.pool or self.conv


def find_units(graph: Graph, stages: Sequence[Stage]) -> tuple[Unit, ...]:
    """The units that stages which go by channels are made of; none unless all of them are part of one."""
    units: list[Unit] = []
    for index, stage in enumerate(stages):
        after = stages[index + 1] if index + 1 < len(stages) else None
        if _is_conv(stage):
            units.append(Unit(stage, after if after and _is_pool(after, stage) else None))
        elif not units or units[-1].pool is not stage:
            return ()
    whole = all(unit.pool or unit.conv.shape[1] % ROWS == 0 for unit in units)  # columns are made two by two
    low = stages[0].height <= MAX_HEIGHT
    return tuple(units) if whole and low and _never_negative(graph, stages[0].main.inputs[0]) else ()


def _is_conv(stage: Stage) -> bool:
    behind = [node.op for node in stage.nodes[1:]]
    return stage.main.by_plane and len(behind) == 1 and isinstance(behind[0], MulShift) and behind[0].lo == 0


def _is_pool(stage: Stage, conv: Stage) -> bool:
    """A maximum that may be taken of the sums: their requantizer never falls."""
    op, requantizer = stage.main.op, conv.nodes[1].op
    assert isinstance(requantizer, MulShift)
    pairs = isinstance(op, MaxPool) and op.size == op.stride == (ROWS, ROWS) and not any(op.padding)
    return pairs and len(stage.nodes) == 1 and bool((requantizer.m >= 0).all())


def _never_negative(graph: Graph, name: str) -> bool:
    node = next(node for node in graph.nodes if node.name == name)
    if isinstance(node.op, MaxPool):
        return _never_negative(graph, node.inputs[0])
    bounded = (Clip, InputPlanes, InputShift, MaxShift, MulShift, Shift)
    return isinstance(node.op, bounded) and node.op.lo >= 0


def plane_size(height: int, width: int) -> int:
    """Bytes of a plane; an odd last row has one beside it, whatever it holds."""
    return -(-height // ROWS) * width * WORD_BYTES


def input_size(conv: Conv) -> int:
    """Bytes of the plane that a unit reads."""
    return plane_size(*conv.in_shape[:2])


def has_spans(unit: Unit, group: Group) -> bool:
    """Does it leave out what is blank above and below? The first one, whose input is what comes from outside."""
    return unit is group.units[0] and unit.pool is None


def spans_size(conv: Conv) -> int:
    """Bytes of the spans of a convolution: two numbers for each strip of two columns."""
    return 2 * (conv.out_size[1] // ROWS)
