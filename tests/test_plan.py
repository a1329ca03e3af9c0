# SPDX-License-Identifier: Apache-2.0
"""The memory plan: no two living tensors share a byte, but for a requantizer that writes over its own input."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from strategies import seeds
from support import named, network

from exporter.export import export
from exporter.lower import lower
from exporter.placing import ELEMENT_BYTES, Place
from exporter.plan import make_plan
from exporter.randomnet import random_network
from training.layers import BitLinear, Input


def check(graph, plan) -> None:
    """Every rule of SPEC 7 for the arena."""
    inner = [node for node in graph.nodes[:-1] if not node.op.raw]
    assert set(plan.places) == {node.name for node in inner}
    nodes = {node.name: node for node in graph.nodes}
    order = {node.name: index for index, node in enumerate(node for node in graph.nodes if not node.op.raw)}
    for name, place in plan.places.items():
        assert place.size == np.prod(graph.shapes[name]) * ELEMENT_BYTES[nodes[name].op.out_type]
        assert place.offset % 4 == 0
        assert 0 <= place.offset <= place.end <= plan.arena_bytes
        assert place.first == order[name]
        assert place.last == max(order[reader.name] for reader in graph.readers(name))
    for (early, a), (late, b) in combinations(plan.places.items(), 2):
        alive_together = a.first <= b.last and b.first <= a.last
        if alive_together and a.overlaps(b):
            assert nodes[late].inputs == (early,)
            assert a.last == b.first
            assert nodes[late].op.kind in {"maxshift", "shift", "mulshift"}
            assert b.offset <= a.offset
    assert plan.arena_bytes % 4 == 0


@given(seeds)
@settings(max_examples=150)
def test_random_networks_have_no_overlap_but_the_legal_one(seed):
    graph, _ = lower(random_network(seed), "net")
    plan = make_plan(graph)
    check(graph, plan)
    sums = [place.size for name, place in plan.places.items() if name in {n.name for n in graph.nodes}]
    assert plan.arena_bytes >= max(sums, default=0)


def test_the_arena_of_the_12k_network_is_its_largest_sums_and_their_input():
    graph, _ = lower(network(256, 64, 64, 64, 10), "net")
    plan = make_plan(graph)
    check(graph, plan)
    assert plan.arena_bytes == 4 * 64 + 64


def test_a_network_of_one_layer_needs_no_place_in_the_arena():
    graph, _ = lower(named(input=Input((8,)), fc=BitLinear(8, 3, requant=None)), "net")
    plan = make_plan(graph)
    assert plan.places == {}
    assert plan.arena_bytes == 4


def test_overlap_is_about_shared_bytes():
    assert Place(0, 8, 0, 1).overlaps(Place(7, 1, 0, 1))
    assert not Place(0, 8, 0, 1).overlaps(Place(8, 1, 0, 1))
    assert not Place(8, 1, 0, 1).overlaps(Place(0, 8, 0, 1))


def test_plan_json_is_the_plan():
    exported = export(network(8, 6, 5, 3), "net")
    record = json.loads((exported.folder / "plan.json").read_text(encoding="utf-8"))
    assert record["digest"] == exported.graph.digest
    assert record["arena_bytes"] == exported.plan.arena_bytes
    assert {name: Place(**place) for name, place in record["places"].items()} == exported.plan.places
    header = (exported.folder / "c" / "net.h").read_text(encoding="utf-8")
    assert f"#define HB_NET_ARENA_BYTES {exported.plan.arena_bytes}\n" in header
