# SPDX-License-Identifier: Apache-2.0
"""The memory plan: which stages run together, and where every tensor lies in the caller's arena meanwhile.

Three ways to run stages, alone or in groups (SPEC 7.2); the integers are the same whichever is chosen:

  layer     one stage after the other, every tensor whole
  rows      a group takes turns, a row each: of every tensor between them only the rows still needed are kept, in a ring
  channels  a group runs once for every channel: of every tensor between them only one channel is there
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from exporter.ops import Conv, MaxShift, Windowed
from exporter.ops.base import MAP_DIMS
from exporter.stages import Stage, find_stages
from training.errors import HalfbyteError
from training.formats import SPEC_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from exporter.graph import Graph, Node

ELEMENT_BYTES = {"uint8_t": 1, "int8_t": 1, "int32_t": 4}
ALIGN = 4
EVERY_CUT = 9  # stages of maps up to which every way to group them is tried
STRATEGIES = ("auto", "layer", "rows", "channels")
COUNTER_BYTES = 2  # how many steps a stage has made


@dataclass(frozen=True)
class Place:
    """Bytes [offset, offset + size) of the arena, in use from stage `first` to stage `last`.

    rows  of a map that are kept: all of them, or a ring of the last ones; 0 for other tensors
    """

    offset: int
    size: int
    first: int
    last: int
    rows: int = 0

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.offset + self.size

    def overlaps(self, other: Place) -> bool:
        """Do the two share a byte?"""
        return self.offset < other.end and other.offset < self.end


@dataclass(frozen=True, eq=False)
class Group:
    """Stages that run together: `way` is layer, rows or channels; `first` is the index of the first one."""

    way: str
    first: int
    stages: tuple[Stage, ...]

    @property
    def last(self) -> int:
        """Index of its last stage."""
        return self.first + len(self.stages) - 1


@dataclass(frozen=True, eq=False)
class Plan:
    """How a network runs.

    groups       in order
    places       of tensors, by name, and of scratch memory, by "(what) stage"; input and scores belong to the caller
    arena_bytes  all of it
    input_rows   of a ring that the input may come through row by row, 0 where it has to be whole
    strategy     that it was made with
    """

    groups: tuple[Group, ...]
    places: dict[str, Place]
    arena_bytes: int
    input_rows: int = 0
    strategy: str = "auto"

    @property
    def staged(self) -> bool:
        """Is any tensor made row by row?"""
        return any(stage.steps for group in self.groups for stage in group.stages)

    def way(self, name: str) -> str:
        """How the stage that makes a tensor runs; the input rule runs by layer."""
        for group in self.groups:
            if any(name == node.name for stage in group.stages for node in stage.nodes):
                return group.way
        return "layer"

    def to_json(self, graph: Graph) -> str:
        """One group and one place to a line."""
        places = ",\n".join(f"  {json.dumps(name)}: {json.dumps(asdict(p))}" for name, p in self.places.items())
        groups = ",\n".join(
            "  " + json.dumps({"way": g.way, "stages": [[n.name for n in s.nodes] for s in g.stages]})
            for g in self.groups
        )
        head = f' "spec": {SPEC_VERSION},\n "digest": "{graph.digest}",\n "arena_bytes": {self.arena_bytes},\n'
        head += f' "input_rows": {self.input_rows},\n "strategy": "{self.strategy}",\n "groups": [\n{groups}\n ],\n'
        return "{\n" + head + f' "places": {{\n{places}\n }}\n}}\n'


def make_plan(graph: Graph, strategy: str = "auto") -> Plan:
    """The plan with the smallest arena; of equals, the one with the fewest stages that do not run alone.

    strategy  auto, or one of the three ways to use wherever it is possible
    """
    if strategy not in STRATEGIES:
        raise HalfbyteError(f"plan '{strategy}': expected one of {', '.join(STRATEGIES)}")
    stages = find_stages(graph)
    plans = [_place_all(graph, groups) for groups in _groupings(graph, stages, strategy)]
    best = min(plans, key=lambda plan: (plan.arena_bytes, sum(len(g.stages) - 1 for g in plan.groups)))
    return replace(best, strategy=strategy)


def read_plan(path: Path, graph: Graph) -> Plan:
    """The plan of an exported network: made again, by the strategy that its plan.json names."""
    again = "write it again with: halfbyte export"
    try:
        strategy = json.loads(path.read_text(encoding="utf-8"))["strategy"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HalfbyteError(f"{path}: not a plan of halfbyte ({error}); {again}") from None
    return make_plan(graph, strategy)


def made_order(graph: Graph, plan: Plan, node: Node) -> tuple[int, ...]:
    """Axes of a tensor in the order in which the C makes, and traces, its elements."""
    axes = tuple(range(len(graph.shapes[node.name])))
    if len(axes) != MAP_DIMS or node.op.raw:
        return axes
    if plan.way(node.name) == "channels":
        return 2, 0, 1
    return (0, 2, 1) if isinstance(node.op, Conv) else axes


def in_graph_order(graph: Graph, plan: Plan, node: Node, made: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What was traced of a tensor, as the graph has it.  # (n, ...) -> (n, *shape)"""
    shape, order = graph.shapes[node.name], made_order(graph, plan, node)
    return np.moveaxis(
        made.reshape(-1, *(shape[axis] for axis in order)), range(1, len(order) + 1), [a + 1 for a in order]
    )


# -- which stages run together -----------------------------------------------------------------------------------


def _groupings(graph: Graph, stages: list[Stage], strategy: str) -> Iterator[list[Group]]:
    """Every way to cut the stages into groups that is worth a look; what is left alone runs by layer."""
    runs = list(_map_runs(stages))
    options = [list(_cuts(graph, stages, begin, end, strategy)) for begin, end in runs]
    for chosen in product(*options):
        together = {begin: (end, way) for run in chosen for begin, end, way in run}
        groups, at = [], 0
        while at < len(stages):
            end, way = together.get(at, (at + 1, "layer"))
            groups.append(Group(way, at, tuple(stages[at:end])))
            at = end
        yield groups


def _map_runs(stages: list[Stage]) -> Iterator[tuple[int, int]]:
    """Stretches [begin, end) of stages that are made row by row."""
    edges = [i for i, stage in enumerate(stages) if not stage.steps]
    for before, after in pairwise([-1, *edges, len(stages)]):
        if after - before > 1:
            yield before + 1, after


Cut = list[tuple[int, int, str]]  # groups of more than one stage: begin, end, way


def _cuts(graph: Graph, stages: list[Stage], begin: int, end: int, strategy: str) -> Iterator[Cut]:
    """Ways to group a stretch of stages made row by row."""
    if strategy == "layer" or end - begin == 1:
        yield []
        return
    possible = [
        (i, j, way)
        for i in range(begin, end)
        for j in range(i + 2, end + 1)
        for way, works in (("rows", _can_stream), ("channels", _can_go_by_channel))
        if strategy in ("auto", way) and works(graph, stages[i:j])
    ]
    if strategy != "auto":  # the longest that there is, from the front
        yield _longest(possible)
    elif end - begin <= EVERY_CUT:
        yield from _every_cut(possible, begin)
    else:
        yield []
        yield from ([group] for group in possible)
        yield _longest([group for group in possible if group[2] == "rows"])


def _longest(possible: Cut) -> Cut:
    found: Cut = []
    for group in sorted(possible, key=lambda g: (g[0], -g[1])):
        if not found or group[0] >= found[-1][1]:
            found.append(group)
    return found


def _every_cut(possible: Cut, begin: int) -> Iterator[Cut]:
    yield []
    for group in possible:
        if group[0] >= begin:
            for rest in _every_cut([other for other in possible if other[0] >= group[1]], group[1]):
                yield [group, *rest]


def _can_stream(graph: Graph, stages: Sequence[Stage]) -> bool:
    """Sums, and what a global mean makes at its end, are not handed on row by row."""
    del graph
    return not any(stage.sums for stage in stages) and not any(stage.is_global for stage in stages[:-1])


def _can_go_by_channel(graph: Graph, stages: Sequence[Stage]) -> bool:
    """A chain in which channel c needs channel c alone, behind a convolution, which may be one of all channels."""
    first, *others = stages
    op = first.main.op
    begins = isinstance(op, Conv) and not first.sums and (op.groups == 1 or op.depthwise)
    chained = all(
        later.main.inputs == (earlier.name,) and len(graph.readers(earlier.name)) == 1
        for earlier, later in pairwise(stages)
    )
    return chained and begins and all(stage.one_channel for stage in others)


# -- how many rows of a tensor are alive at once -------------------------------------------------------------------


@cache
def ring_rows(stages: tuple[Stage, ...], source: str | None = None) -> dict[str, int]:
    """Rows that each tensor inside a group needs at once, found by playing through who makes and reads what when.

    The stages take turns: each makes a step if the rows for it are there. `source`: a tensor from outside that comes
    row by row as well, a row whenever nobody has anything left to do; the others from outside are whole.
    """
    play = _Play(stages, source)
    while play.turn() or play.push():
        pass
    if any(done < stage.steps for done, stage in zip(play.steps, stages, strict=True)):
        raise AssertionError("a group of stages waits for itself")
    return play.rings


class _Play:
    """A group as it takes turns: rows made of every tensor, steps of every stage, rows each tensor needed so far."""

    def __init__(self, stages: tuple[Stage, ...], source: str | None) -> None:
        self.stages, self.source = stages, source
        self.made = {stage.name: 0 for stage in stages} | ({source: 0} if source else {})
        self.steps = [0] * len(stages)
        self.rings = dict.fromkeys(self.made, 1)
        self.heights = {name: stage.height for stage in stages for name in stage.main.inputs}

    def turn(self) -> bool:
        """Every stage that can makes a step; could any?"""
        return sum(self.step(index) for index in range(len(self.stages))) > 0

    def step(self, index: int) -> bool:
        """A stage makes a step, if it can."""
        stage, step = self.stages[index], self.steps[index]
        if step == stage.steps:
            return False
        end = stage.reads(step)[1]
        if any(self.made.get(name, end) < end for name in stage.main.inputs):
            return False
        self._make(stage.name, stage.makes(step))
        self.steps[index] += 1
        return True

    def push(self) -> bool:
        """A row of the source comes, if there is another."""
        if self.source is None or self.made[self.source] == self.heights[self.source]:
            return False
        self._make(self.source, self.made[self.source] + 1)
        return True

    def _make(self, name: str, rows: int) -> None:
        """There are so many rows of a tensor now: the newest one beside all those that somebody still needs."""
        self.made[name] = rows
        waiting = [(s, done) for s, done in zip(self.stages, self.steps, strict=True) if name in s.main.inputs]
        needed = [stage.reads(done)[0] for stage, done in waiting if done < stage.steps]
        if needed:
            self.rings[name] = max(self.rings[name], rows - min(needed))


# -- where everything lies -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Item:
    """Memory that is asked for: bytes from stage `first` to stage `last`.

    over  the tensor whose memory it may begin in: (name, gap), gap bytes in front of it at least
    """

    name: str
    size: int
    first: int
    last: int
    rows: int = 0
    over: tuple[str, int] | None = None


def _place_all(graph: Graph, groups: list[Group]) -> Plan:
    stages = [stage for group in groups for stage in group.stages]
    last = {stage.name: len(stages) for stage in stages}  # the scores'
    for group in groups:
        for index, stage in enumerate(group.stages, group.first):
            for name in stage.main.inputs:  # stages of one group go on taking turns
                last[name] = group.last if group.way != "layer" else index
    source, input_rows = _input_rows(graph, groups[0])
    items = [
        item
        for group in groups
        for item in _items(group, last, source if input_rows and group is groups[0] else None)
        if item.name != graph.nodes[-1].name
    ]
    by_size = sorted(items, key=lambda item: -item.size)
    by_end = sorted(items, key=lambda item: (-item.last, -item.size))
    placed = [_first_fit(order) for order in (items, by_size, by_end)]
    places = min(placed, key=_extent)
    ordered = {item.name: places[item.name] for item in items}
    return Plan(tuple(groups), ordered, max(_extent(places), ALIGN), input_rows)


def _extent(places: dict[str, Place]) -> int:
    end = max((place.end for place in places.values()), default=0)
    return -(-end // ALIGN) * ALIGN


def _input_rows(graph: Graph, group: Group) -> tuple[str, int]:
    """The input, and the rows of a ring for it; 0 unless this group streams and alone reads it."""
    rules = [node for node in graph.nodes if node.op.raw]
    source = rules[-1].name
    streams = group.way == "rows" and len(rules) == 1 and rules[0].op.in_place
    readers = {node.name for node in graph.readers(source)}
    if not streams or not readers <= {stage.main.name for stage in group.stages}:
        return source, 0
    return source, ring_rows(group.stages, source)[source]


def _items(group: Group, last: dict[str, int], source: str | None) -> Iterator[_Item]:
    """The memory that a group's stages ask for; `source`: an input that may come row by row as well."""
    rings: dict[str, int] = {}
    for origin in {None, source} if group.way == "rows" else ():
        rings = {name: max(rows, rings.get(name, 0)) for name, rows in ring_rows(group.stages, origin).items()}
    for index, stage in enumerate(group.stages, group.first):
        inner = stage is not group.stages[-1]
        until = last[stage.name]
        size = prod(stage.shape) * ELEMENT_BYTES[stage.nodes[-1].op.out_type]
        height, width, _ = stage.shape if len(stage.shape) == MAP_DIMS else (0, 0, 0)
        if group.way == "rows":
            # what a later group reads is whole
            rows = rings[stage.name] if until <= group.last else height
            until = max(until, group.last)
            yield _Item(stage.name, size // height * rows, group.first, until, rows)
        elif group.way == "channels":
            if inner:
                yield _Item(
                    stage.name, height * width, index, index + 1, height, _over(stage, single=index > group.first)
                )
            else:
                yield _Item(f"(row) {stage.name}", width, index, index, 1)
                yield _Item(stage.name, size, group.first, until, height)
        else:
            yield _Item(stage.name, size, index, until, height, _over(stage))
        yield from _scratch(stage, group, index)
    if group.way == "rows":
        yield _Item(f"(steps) {group.stages[0].name}", COUNTER_BYTES * len(group.stages), group.first, group.last)


def _scratch(stage: Stage, group: Group, index: int) -> Iterator[_Item]:
    """Sums of a row of a channel, and of a global mean."""
    if isinstance(stage.main.op, Conv) and not stage.sums:
        yield _Item(f"(sums) {stage.name}", 4 * stage.shape[1], index, index)
    if stage.is_global:
        channels = 1 if group.way == "channels" else stage.shape[2]
        spans = (group.first, group.last) if group.way == "rows" else (index, index)
        yield _Item(f"(sums) {stage.name}", 4 * channels, *spans)


def _over(stage: Stage, *, single: bool = False) -> tuple[str, int] | None:
    """The input that a stage's output may lie over, and by how much it has to begin before it.

    Row y of the output ends where the first input row that step y still reads begins, or before. `single`: both are of
    one channel.
    """
    op, name = stage.main.op, stage.main.inputs[0]
    if not stage.steps:
        turned = isinstance(op, MaxShift) and len(stage.shape) == MAP_DIMS  # sums of maps lie in another order
        return (name, 0) if op.in_place and not turned else None
    if not isinstance(op, Windowed) or stage.sums:
        return (name, 0) if op.elementwise else None
    _, width, channels = op.in_shape
    row_in, row_out = width * channels, stage.shape[1] * stage.shape[2]
    if single:
        row_in, row_out = width, stage.shape[1]
    made = [(stage.makes(step) * row_out, stage.reads(step)[0] * row_in) for step in range(stage.steps)]
    return name, max(end - begin for end, begin in made)


def _first_fit(items: list[_Item]) -> dict[str, Place]:
    """Every item at the lowest offset that is free while it lives, in the order given."""
    over = {item.name: item.over for item in items if item.over}
    places: dict[str, Place] = {}
    for item in items:
        live = {name: p for name, p in places.items() if p.first <= item.last and item.first <= p.last}

        def fits(place: Place, name: str, live: dict[str, Place] = live) -> bool:
            return not any(
                place.overlaps(other) and not _may_lie_over(name, place, other_name, other, over)
                for other_name, other in live.items()
            )

        starts = {0, *(place.end for place in live.values())}
        starts |= {place.offset - gap for n, gap in [over.get(item.name, ("", 0))] if (place := live.get(n))}
        starts |= {live[n].offset + gap for n in live if over.get(n, ("", 0))[0] == item.name for gap in [over[n][1]]}
        aligned = sorted(up for s in starts for up in {s // ALIGN * ALIGN, -(-s // ALIGN) * ALIGN} if up >= 0)
        candidates = (Place(offset, item.size, item.first, item.last, item.rows) for offset in aligned)
        places[item.name] = next(place for place in candidates if fits(place, item.name))
    return places


def _may_lie_over(name: str, place: Place, other_name: str, other: Place, over: dict[str, tuple[str, int]]) -> bool:
    """Is one of the two written over the other, which dies of it, early enough in front of it?"""
    for (writer, new), (source, old) in (
        ((name, place), (other_name, other)),
        ((other_name, other), (name, place)),
    ):
        rule = over.get(writer)
        if rule is not None and rule[0] == source:
            return new.first == old.last and new.offset + rule[1] <= old.offset
    return False
