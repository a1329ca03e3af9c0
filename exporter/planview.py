# SPDX-License-Identifier: Apache-2.0
"""A memory plan as people look at it: what runs together, what lies where and when, and what is alive at the peak."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from exporter.graph import Graph
    from exporter.plan import Plan


@dataclass(frozen=True)
class Buffer:
    """A tensor or scratch memory: bytes [offset, offset + size) of the arena, from stage `first` to stage `last`.

    rows  kept of a map of `height` rows; both 0 for what is no map
    """

    name: str
    offset: int
    size: int
    first: int
    last: int
    rows: int
    height: int


def stage_names(plan: Plan) -> list[str]:
    """The operation that begins each stage, in the order they run."""
    return [stage.main.name for group in plan.groups for stage in group.stages]


def buffers(plan: Plan) -> list[Buffer]:
    """Everything in the arena; what lives until behind the last stage ends with it."""
    heights = {stage.name: stage.shape[0] for group in plan.groups for stage in group.stages if stage.steps}
    end = len(stage_names(plan)) - 1
    return [
        Buffer(name, p.offset, p.size, p.first, min(p.last, end), p.ring or heights.get(name, 0), heights.get(name, 0))
        for name, p in plan.places.items()
    ]


def peak(plan: Plan) -> tuple[str, list[Buffer]]:
    """The stage that needs the most bytes at once, and the buffers that are alive then, largest first."""
    names, found = stage_names(plan), buffers(plan)
    alive = [[b for b in found if b.first <= index <= b.last] for index in range(len(names))]
    most = max(range(len(names)), key=lambda index: max((b.offset + b.size for b in alive[index]), default=0))
    return names[most], sorted(alive[most], key=lambda b: -b.size)


def to_json(graph: Graph, plan: Plan) -> dict[str, Any]:
    """For `show --json`."""
    stage, alive = peak(plan)
    groups = [
        {"way": group.way, "stages": [[node.name for node in stage.nodes] for stage in group.stages]}
        for group in plan.groups
    ]
    return {
        "strategy": plan.strategy,
        "arena_bytes": plan.arena_bytes,
        "input_rows": plan.input_rows,
        "groups": groups,
        "buffers": [asdict(buffer) for buffer in buffers(plan)],
        "peak": {"stage": stage, "buffers": [buffer.name for buffer in alive]},
        "stages": stage_names(plan),
        "shapes": {name: list(graph.shapes[name]) for name in plan.places if name in graph.shapes},
    }


def plan_table(view: dict[str, Any]) -> Table:
    """What lies where and when, for the terminal."""
    title = f"memory plan: {view['arena_bytes']:,} bytes"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for column in ("buffer", "bytes", "at", "rows", "in use by"):
        table.add_column(column, justify="right" if column in ("bytes", "at") else "left", no_wrap=True)
    for buffer in view["buffers"]:
        rows = f"{buffer['rows']} of {buffer['height']}" if buffer["height"] else "-"
        first, last = view["stages"][buffer["first"]], view["stages"][buffer["last"]]
        alive = first if first == last else f"{first} ... {last}"
        table.add_row(buffer["name"], f"{buffer['size']:,}", f"{buffer['offset']:,}", rows, alive)
    return table


def group_lines(view: dict[str, Any]) -> list[str]:
    """What runs together, a line for each group of more than one stage and for each stretch of single ones."""
    lines: list[tuple[str, list[str]]] = []
    for group in view["groups"]:
        names = [stage[0] for stage in group["stages"]]
        if lines and group["way"] == "layer" == lines[-1][0]:
            lines[-1][1].extend(names)
        else:
            lines.append((group["way"], names))
    texts = [f"{WAYS[way]:<13}{', '.join(names)}" for way, names in lines]
    if view["input_rows"]:
        texts.append(f"input        may come row by row: {view['input_rows']} rows of it are kept then")
    return texts


WAYS = {"rows": "row by row", "channels": "by channel", "layer": "one by one"}
