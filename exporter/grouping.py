# SPDX-License-Identifier: Apache-2.0
"""Which stages run together, and how: every group that is possible, and the ways through the network made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from exporter.ops import Conv
from exporter.planes import Unit, find_units
from exporter.rings import Rings, find_rings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.graph import Graph
    from exporter.stages import Stage

WAYS = ("layer", "rows", "channels")


@dataclass(frozen=True, eq=False)
class Group:
    """Stages that run together.

    way     layer (a stage alone), rows or channels
    first   index of the first one
    rings   rows that are kept of a tensor made by turns; one that somebody outside of the group reads is whole
    pushed  of a first group whose input may come row by row: rows of the ring for it, else 0
    units   of a group that goes by channels, where plane kernels make all of it
    """

    way: str
    first: int
    stages: tuple[Stage, ...]
    rings: Rings = field(default_factory=dict)
    pushed: int = 0
    units: tuple[Unit, ...] = ()

    @property
    def last(self) -> int:
        """Index of its last stage."""
        return self.first + len(self.stages) - 1

    @property
    def functions(self) -> list[tuple[Stage, ...]]:
        """The stages, those together that one function makes."""
        if self.units:
            return [tuple(filter(None, (unit.conv, unit.pool))) for unit in self.units]
        return [(stage,) for stage in self.stages]

    @property
    def end(self) -> int:
        """Index of the stage behind it."""
        return self.first + len(self.stages)


def every_group(graph: Graph, stages: list[Stage], way: str) -> Iterator[Group]:
    """Every group of stages that can run in one of the three ways; a stage alone always runs by layer."""
    if way == "layer":
        yield from (Group("layer", index, (stage,)) for index, stage in enumerate(stages))
    elif way == "rows":
        for first in range(len(stages)):
            yield from _streams(graph, stages, first)
    else:
        for first in range(len(stages)):
            for end in range(first + 2, len(stages) + 1):
                if not _can_go_by_channel(graph, stages[first:end]):
                    break
                members = tuple(stages[first:end])
                yield Group("channels", first, members, units=find_units(graph, members))


def from_the_front(stages: list[Stage], groups: Sequence[Group]) -> list[Group]:
    """A way through the network: at each stage the longest group that begins with it."""
    found: list[Group] = []
    while (at := found[-1].end if found else 0) < len(stages):
        found.append(max((group for group in groups if group.first == at), key=lambda group: group.end))
    return found


def lightest(n_stages: int, groups: Sequence[Group], weights: dict[Group, int]) -> list[Group]:
    """The way through the network with the smallest sum of weights; nothing if these groups do not lead through."""
    best: dict[int, tuple[int, list[Group]]] = {0: (0, [])}  # by the number of stages behind
    for group in sorted(groups, key=lambda group: (group.end, WAYS.index(group.way), -group.first)):
        if group.first in best:
            weight, way = best[group.first]
            weight += weights[group]
            if group.end not in best or weight < best[group.end][0]:
                best[group.end] = weight, [*way, group]
    return best.get(n_stages, (0, []))[1]


def _streams(graph: Graph, stages: list[Stage], first: int) -> Iterator[Group]:
    """The groups that begin with a stage and take turns, a row each."""
    end = first
    while end < len(stages) and _can_join(stages[first:end], stages[end]):
        end += 1
    if end - first < 2:
        return
    source = _source(graph) if first == 0 else None
    whole, pushed = find_rings(stages[first:end]), Rings()
    for last in range(first + 1, end):
        members = tuple(stages[first : last + 1])
        rings = {stage.name: whole[stage.name] for stage in members if _read_within(graph, stage.name, members)}
        input_rows = 0
        if source is not None and _read_within(graph, source, members):
            pushed = pushed or find_rings(stages[first:end], source)
            rings = {name: max(ring, pushed[name]) for name, ring in rings.items()}
            input_rows = pushed[source]
        yield Group("rows", first, members, rings, input_rows)


def _can_join(group: Sequence[Stage], stage: Stage) -> bool:
    """Can a stage take turns with those before it?

    Sums, and what a global mean makes at its end, are not handed on row by row; and a map that is reshaped on its way
    has other rows for its reader than for its maker.
    """
    if not stage.steps or stage.sums or any(earlier.is_global for earlier in group):
        return False
    return all(maker.shape[0] == stage.height for maker in group if maker.name in stage.main.inputs)


def _source(graph: Graph) -> str | None:
    """The input, where its rule can take one row at a time."""
    rules = [node for node in graph.nodes if node.op.raw]
    return rules[0].name if len(rules) == 1 and rules[0].op.in_place else None


def _read_within(graph: Graph, name: str, group: Sequence[Stage]) -> bool:
    """Do stages of a group alone read a tensor, and all of them in the same rows?"""
    readers = {node.name for node in graph.readers(name)}
    heights = {stage.height for stage in group if stage.main.name in readers}
    return len(heights) == 1 and readers <= {node.name for stage in group for node in stage.nodes}


def _can_go_by_channel(graph: Graph, stages: Sequence[Stage]) -> bool:
    """A chain in which channel c needs channel c alone, behind a convolution, which may be one of all channels."""
    first, *others = stages
    op = first.main.op
    one = isinstance(op, Conv) and not first.main.by_pixel and (op.groups == 1 or op.depthwise)
    begins = one and not first.sums
    chained = all(
        later.main.inputs == (earlier.name,) and len(graph.readers(earlier.name)) == 1
        for earlier, later in pairwise(stages)
    )
    return begins and chained and all(stage.one_channel for stage in others)
