# SPDX-License-Identifier: Apache-2.0
"""Where tensors and scratch memory of a grouped network lie in the arena, and the least that a group can need."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from math import prod
from typing import TYPE_CHECKING

from exporter.ops import Conv, MaxShift, Windowed
from exporter.ops.base import MAP_DIMS
from exporter.planes import has_spans, input_size, plane_size, spans_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.grouping import Group
    from exporter.stages import Stage

ELEMENT_BYTES = {"uint8_t": 1, "int8_t": 1, "int32_t": 4}
ALIGN = 4
COUNTER_BYTES = 2  # how many steps a stage has made


@dataclass(frozen=True)
class Place:
    """Bytes [offset, offset + size) of the arena, in use from stage `first` to stage `last`.

    ring  of a map of which only the newest rows are kept: how many; 0 where all of it is there
    """

    offset: int
    size: int
    first: int
    last: int
    ring: int = 0

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.offset + self.size

    def overlaps(self, other: Place) -> bool:
        """Do the two share a byte?"""
        return self.offset < other.end and other.offset < self.end


@dataclass(frozen=True)
class Over:
    """The tensor whose memory an output may share, and how much it has to begin before it, in bytes, at least.

    exact  only there, or else at any distance
    """

    name: str
    gap: int
    exact: bool = False

    def allows(self, output: Place, source: Place) -> bool:
        """May they lie like this? Only if the source is not read later."""
        distance = source.offset - output.offset
        return output.first == source.last and (distance == self.gap if self.exact else distance >= self.gap)


@dataclass(frozen=True)
class Item:
    """Memory that is asked for: bytes from stage `first` to stage `last`."""

    name: str
    size: int
    first: int
    last: int
    ring: int = 0
    over: Over | None = None


def up(size: int) -> int:
    """The next multiple of ALIGN."""
    return -(-size // ALIGN) * ALIGN


def extent(places: dict[str, Place]) -> int:
    """Bytes of an arena that holds them."""
    return up(max((place.end for place in places.values()), default=0))


def last_uses(groups: Sequence[Group]) -> dict[str, int]:
    """Index of the last stage that needs a tensor; stages of one group go on taking turns until all are done."""
    return {
        name: index if group.way == "layer" else group.last
        for group in groups
        for index, stage in enumerate(group.stages, group.first)
        for name in stage.main.inputs
    }


def items_of(group: Group, last: dict[str, int]) -> Iterator[Item]:
    """The memory that a group's stages ask for; `last` as from `last_uses`, of what is made."""
    if group.units:
        yield from _by_planes(group, last)
        return
    make = {"layer": _by_layer, "rows": _by_rows, "channels": _by_channels}[group.way]
    for index, stage in enumerate(group.stages, group.first):
        yield from make(group, stage, index, last)
        yield from _scratch(stage, group, index)
    if group.way == "rows":
        yield Item(f"(steps) {group.stages[0].name}", COUNTER_BYTES * len(group.stages), group.first, group.last)


def _whole_size(stage: Stage) -> int:
    return prod(stage.shape) * ELEMENT_BYTES[stage.nodes[-1].op.out_type]


def _by_layer(group: Group, stage: Stage, index: int, last: dict[str, int]) -> Iterator[Item]:  # noqa: ARG001
    if stage.name in last:  # the scores, which nobody reads, are the caller's
        yield Item(stage.name, _whole_size(stage), index, last[stage.name], over=may_lie_over(stage))


def _by_rows(group: Group, stage: Stage, index: int, last: dict[str, int]) -> Iterator[Item]:  # noqa: ARG001
    ring = group.rings.get(stage.name, 0)
    size = _whole_size(stage)
    size = size // stage.shape[0] * ring if ring else size
    yield Item(stage.name, size, group.first, max(last[stage.name], group.last), ring)


def _by_channels(group: Group, stage: Stage, index: int, last: dict[str, int]) -> Iterator[Item]:
    height, width, _ = stage.shape
    if index < group.last:
        over = may_lie_over(stage, single=True) if index > group.first else None
        yield Item(stage.name, height * width, index, index + 1, over=over)
    else:
        yield Item(f"(row) {stage.name}", width, index, index)
        yield Item(stage.name, _whole_size(stage), group.first, last[stage.name])


def _by_planes(group: Group, last: dict[str, int]) -> Iterator[Item]:
    """The input as a plane, there for all channels, what each unit makes until it has been read, all at last.

    None lies over another: a kernel may read its input twice.
    """
    index = group.first
    first = group.units[0].conv.main.op
    assert isinstance(first, Conv)
    yield Item(f"(plane) {group.stages[0].name}", input_size(first), group.first, group.last)
    if has_spans(group.units[0], group):
        yield Item(f"(spans) {group.stages[0].name}", spans_size(first), group.first, group.last)
    for unit, after in zip_longest(group.units, group.units[1:]):
        then = index + (2 if unit.pool else 1)
        size = plane_size(*unit.last.shape[:2])
        yield Item(f"(made) {unit.last.name}", size, index, then + (1 if after.pool else 0) if after else group.last)
        index = then
    stage = group.units[-1].last
    yield Item(stage.name, _whole_size(stage), group.first, last[stage.name])


def _scratch(stage: Stage, group: Group, index: int) -> Iterator[Item]:
    """Sums of a row of a channel or of a pixel, and of a global mean; the window of a pixel."""
    op, by_pixel = stage.main.op, stage.main.by_pixel
    if isinstance(op, Conv) and not stage.sums:
        yield Item(f"(sums) {stage.name}", 4 * (op.out_channels if by_pixel else stage.shape[1]), index, index)
    if isinstance(op, Conv) and by_pixel and not op.pointwise:
        yield Item(f"(patch) {stage.name}", op.w.shape[1], index, index)
    if stage.is_global:
        channels = 1 if group.way == "channels" else stage.shape[2]
        spans = (group.first, group.last) if group.way == "rows" else (index, index)
        yield Item(f"(sums) {stage.name}", 4 * channels, *spans)


def may_lie_over(stage: Stage, *, single: bool = False) -> Over | None:
    """The input whose memory a stage's output may share; None if none.

    A window makes row y where it ends at or before the first input row that step y still reads. `single`: input and
    output are of one channel.
    """
    op, name = stage.main.op, stage.main.inputs[0]
    if not stage.steps:
        turned = isinstance(op, MaxShift) and len(stage.shape) == MAP_DIMS  # sums of maps lie in another order
        return Over(name, 0, exact=not op.takes_sums) if op.in_place and not turned else None
    if op.elementwise:
        return Over(name, 0, exact=True)
    if not isinstance(op, Windowed) or stage.sums:
        return None
    row_in = op.in_shape[1] * (1 if single else op.in_shape[2])
    row_out = stage.shape[1] * (1 if single else stage.shape[2])
    return Over(name, max(stage.makes(y) * row_out - stage.reads(y)[0] * row_in for y in range(stage.steps)))


def least(group: Group, stages: Sequence[Stage], readers: dict[str, int]) -> int:
    """No plan with this group has a smaller arena: what lives at once, less what may lie over each other.

    readers  index of the last stage that reads a tensor
    """
    before = [(index, stage) for index, stage in enumerate(stages[: group.first]) if readers[stage.name] >= group.first]
    until = 0 if group.way == "layer" else group.last  # a tensor that the group reads lives to its end
    items = [Item(s.name, _whole_size(s), index, max(readers[s.name], until)) for index, s in before]
    items += items_of(group, readers)
    return max(_least_at(now, items) for now in range(group.first, group.last + 1))


def _least_at(now: int, items: Sequence[Item]) -> int:
    """Bytes of what lives at a stage, less what may lie over each other."""
    alive = {item.name: item for item in items if item.first <= now <= item.last}
    total = sum(up(item.size) for item in alive.values())
    for item in alive.values():
        source = alive.get(item.over.name) if item.over else None
        if item.over and source and item.first == source.last == now:
            both = max(up(max(item.over.gap, 0)) + up(source.size), up(item.size))
            total -= max(up(item.size) + up(source.size) - both, 0)
    return total


def place_all(groups: Sequence[Group]) -> dict[str, Place]:
    """A place for every item: the best of three orders to put them down in."""
    last = last_uses(groups)
    items = [item for group in groups for item in items_of(group, last)]
    by_size = sorted(items, key=lambda item: -item.size)
    by_end = sorted(items, key=lambda item: (-item.last, -item.size))
    places = min((_first_fit(order) for order in (items, by_size, by_end)), key=extent)
    return {item.name: places[item.name] for item in items}


def _first_fit(items: Sequence[Item]) -> dict[str, Place]:
    """Every item at the lowest offset that is free while it lives, in the order given."""
    over = {item.name: item.over for item in items if item.over}
    places: dict[str, Place] = {}
    for item in items:
        live = {name: p for name, p in places.items() if p.first <= item.last and item.first <= p.last}
        candidates = (
            Place(offset, item.size, item.first, item.last, item.ring) for offset in _offsets(item, live, over)
        )
        places[item.name] = next(place for place in candidates if _fits(item.name, place, live, over))
    return places


def _offsets(item: Item, live: dict[str, Place], over: dict[str, Over]) -> list[int]:
    """Where an item could begin: at the start, behind another one, or where one shares its memory with it."""
    starts = {0, *(place.end for place in live.values())}
    if item.over and item.over.name in live:
        starts.add(live[item.over.name].offset - item.over.gap)
    outputs = {name: rule for name, rule in over.items() if rule.name == item.name and name in live}
    starts |= {live[name].offset + rule.gap for name, rule in outputs.items()}
    return sorted(offset for s in starts for offset in {s // ALIGN * ALIGN, up(s)} if offset >= 0)


def _fits(name: str, place: Place, live: dict[str, Place], over: dict[str, Over]) -> bool:
    """Does it share a byte with none that lives at the same time, but by the rules?"""
    for other_name, other in live.items():
        if place.overlaps(other):
            above, below = over.get(name), over.get(other_name)
            if not (
                (above and above.name == other_name and above.allows(place, other))
                or (below and below.name == name and below.allows(other, place))
            ):
                return False
    return True
