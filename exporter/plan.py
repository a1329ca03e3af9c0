# SPDX-License-Identifier: Apache-2.0
"""The memory plan: which stages run together, and where every tensor lies in the caller's arena meanwhile.

Three ways to run stages, alone or in groups (SPEC 7.2); the integers are the same whichever is chosen:

  layer     one stage after the other, every tensor whole
  rows      a group takes turns, a row each: of every tensor between them only the rows still needed are kept, in a ring
  channels  a group runs once for every channel: of every tensor between them only one channel is there
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exporter.grouping import WAYS, Group, every_group, from_the_front, lightest
from exporter.ops import Conv
from exporter.ops.base import MAP_DIMS
from exporter.placing import ALIGN, Place, extent, last_uses, least, place_all
from exporter.stages import Stage, find_stages
from training.errors import HalfbyteError
from training.formats import SPEC_VERSION

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from exporter.graph import Graph, Node

STRATEGIES = ("auto", *WAYS)


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
    """The plan with the smallest arena; of equals, the one in which most stages run alone.

    strategy  auto, or one of the three ways to use wherever it is possible
    """
    if strategy not in STRATEGIES:
        raise HalfbyteError(f"plan '{strategy}': expected one of {', '.join(STRATEGIES)}")
    stages = find_stages(graph)
    ways = WAYS if strategy == "auto" else dict.fromkeys(("layer", strategy))
    groups = [group for way in ways for group in every_group(graph, stages, way)]
    if strategy == "auto":
        return _smallest(stages, groups)
    return _plan(from_the_front(stages, groups), strategy)


def _smallest(stages: list[Stage], groups: list[Group]) -> Plan:
    """The plan with the smallest arena that these groups can make.

    What a group needs does not depend on how the stages around it run: a tensor that comes in or goes out of it is
    whole. So with the groups that need less than some limit, one way through the network is as good as another, as
    far as its tensors can be placed without waste; the limit is raised as long as that could bring a smaller arena.
    """
    readers = last_uses([group for group in groups if group.way == "layer"])
    needs = {group: least(group, stages, readers) for group in groups}
    weights = {group: len(group.stages) - 1 for group in groups}, needs
    best: Plan | None = None
    for limit in sorted(set(needs.values())):
        if best is not None and limit >= best.arena_bytes:
            break
        small = [group for group in groups if needs[group] <= limit]
        for way in (lightest(len(stages), small, weight) for weight in weights):
            plan = _plan(way, "auto") if way else best
            best = min(filter(None, (best, plan)), key=lambda plan: plan.arena_bytes, default=None)
    assert best is not None
    return best


def _plan(groups: list[Group], strategy: str) -> Plan:
    places = place_all(groups)
    return Plan(tuple(groups), places, max(extent(places), ALIGN), groups[0].pushed, strategy)


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
    return (0, 2, 1) if isinstance(node.op, Conv) and not node.by_pixel else axes


def in_graph_order(graph: Graph, plan: Plan, node: Node, made: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What was traced of a tensor, as the graph has it.  # (n, ...) -> (n, *shape)"""
    shape, order = graph.shapes[node.name], made_order(graph, plan, node)
    return np.moveaxis(
        made.reshape(-1, *(shape[axis] for axis in order)), range(1, len(order) + 1), [a + 1 for a in order]
    )
