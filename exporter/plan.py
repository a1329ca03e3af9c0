# SPDX-License-Identifier: Apache-2.0
"""The memory plan: where every tensor lies in the caller's arena, and during which operations."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.formats import SPEC_VERSION

if TYPE_CHECKING:
    from exporter.graph import Graph, Node

ELEMENT_BYTES = {"uint8_t": 1, "int8_t": 1, "int32_t": 4}
ALIGN = 4


@dataclass(frozen=True)
class Place:
    """Bytes [offset, offset + size) of the arena, live from the operation that writes it to the last that reads it."""

    offset: int
    size: int
    first: int
    last: int

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.offset + self.size

    def overlaps(self, other: Place) -> bool:
        """Do the two share a byte?"""
        return self.offset < other.end and other.offset < self.end


@dataclass(frozen=True)
class Plan:
    """Places by tensor name, and the size of the arena. The input and the scores belong to the caller."""

    places: dict[str, Place]
    arena_bytes: int

    def to_json(self, graph: Graph) -> str:
        """One tensor to a line."""
        places = ",\n".join(f"  {json.dumps(name)}: {json.dumps(asdict(p))}" for name, p in self.places.items())
        head = f' "spec": {SPEC_VERSION},\n "digest": "{graph.digest}",\n "arena_bytes": {self.arena_bytes},\n'
        return "{\n" + head + f' "places": {{\n{places}\n }}\n}}\n'


def make_plan(graph: Graph) -> Plan:
    """Every tensor at the lowest offset that is free while it lives; in place where the operation allows it."""
    places: dict[str, Place] = {}
    for index, node in enumerate(graph.nodes[:-1]):
        if node.op.raw:
            continue
        size = int(np.prod(graph.shapes[node.name])) * ELEMENT_BYTES[node.op.out_type]
        last = max(i for i, reader in enumerate(graph.nodes) if reader.input == node.name)
        places[node.name] = _place(node, size, index, last, places)
    arena = max((place.end for place in places.values()), default=ALIGN)
    return Plan(places, -(-arena // ALIGN) * ALIGN)


def _place(node: Node, size: int, first: int, last: int, places: dict[str, Place]) -> Place:
    source = places.get(node.input)
    live = [place for place in places.values() if place.last >= first]

    def fits(place: Place) -> bool:
        for other in live:
            in_place = other is source and other.last == first and node.op.in_place and place.offset <= other.offset
            if place.overlaps(other) and not in_place:
                return False
        return True

    ends = sorted({0, *(-(-place.end // ALIGN) * ALIGN for place in live)})
    return next(place for offset in ends if fits(place := Place(offset, size, first, last)))
