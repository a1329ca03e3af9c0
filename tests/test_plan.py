# SPDX-License-Identifier: Apache-2.0
"""The memory plan: no two living tensors share a byte, but where one is written over another that dies of it."""

from __future__ import annotations

import dataclasses
import json
import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import seeds
from support import compile_with, conv, map_network, named, network
from torch import nn

from exporter import placing
from exporter.export import export
from exporter.grouping import every_group
from exporter.lower import lower
from exporter.placing import COUNTER_BYTES, ELEMENT_BYTES, Place, extent, place_all
from exporter.plan import STRATEGIES, WAYS, make_plan
from exporter.randommaps import random_map_network
from exporter.randomnet import random_network
from exporter.stages import find_stages
from exporter.verify import random_samples
from training.errors import HalfbyteError
from training.layers import Activation, Add, BitConv1d, BitLinear, GlobalAvgPool, Input


def check(graph, plan) -> None:
    """Every rule of SPEC 7 for the arena of a network of vectors."""
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


def overwritten(plan) -> list[str]:
    """What a plan of maps loses: tensors that die too early, or are written over while somebody still needs them."""
    stages = {s.name: (s, index, group) for group in plan.groups for index, s in enumerate(group.stages, group.first)}
    lost = []
    for pair in combinations(plan.places, 2):
        source, output = sorted(pair, key=lambda name: plan.places[name].first)
        old, new = plan.places[source], plan.places[output]
        if new.first <= old.last and new.overlaps(old) and not lies_over(stages, plan, output, source):
            lost.append(f"{output} over {source}")
    for stage, index, group in stages.values():
        for name in set(stage.main.inputs) & set(plan.places):
            one_channel = group.way == "channels" and stages[name][2] is group
            needed = index if group.way == "layer" or one_channel else group.last
            if plan.places[name].last < needed:
                lost.append(f"{name} dies before {stage.name}")
    return lost


def lies_over(stages, plan, output: str, source: str) -> bool:
    """Is an output written over an input that dies of it, row by row, never over one that is still to be read?"""
    old, new = plan.places[source], plan.places[output]
    stage, index, group = stages.get(output, (None, 0, None))
    if stage is None or source not in stage.main.inputs or old.last != new.first:
        return False
    op = stage.main.op
    if not stage.steps or op.elementwise:
        return new.offset <= old.offset if op.takes_sums else new.offset == old.offset
    single = group.way == "channels" and index > group.first
    row_in = op.in_shape[1] * (1 if single else op.in_shape[2])
    row_out = stage.shape[1] * (1 if single else stage.shape[2])
    return all(
        new.offset + stage.makes(y) * row_out <= old.offset + stage.reads(y)[0] * row_in for y in range(stage.steps)
    )


@given(seeds)
@settings(max_examples=150)
def test_random_networks_have_no_overlap_but_the_legal_one(seed):
    graph, _ = lower(random_network(seed), "net")
    plan = make_plan(graph)
    check(graph, plan)
    sums = [place.size for name, place in plan.places.items() if name in {n.name for n in graph.nodes}]
    assert plan.arena_bytes >= max(sums, default=0)


@given(seeds)
@settings(max_examples=30)
def test_random_networks_of_maps_lose_nothing_by_any_plan(seed):
    graph, _ = lower(random_map_network(seed), "net")
    for strategy in STRATEGIES:
        plan = make_plan(graph, strategy)
        assert overwritten(plan) == []
        assert [s.name for g in plan.groups for s in g.stages] == [s.name for s in find_stages(graph)]
        assert all(place.offset % 4 == 0 and place.end <= plan.arena_bytes for place in plan.places.values())
        assert {g.way for g in plan.groups} <= ({"layer", strategy} if strategy != "auto" else set(WAYS))


@pytest.mark.parametrize("seed", range(40, 56))
def test_the_plan_is_the_smallest_of_all_ways_to_group_the_stages_or_nearly(seed):
    graph, _ = lower(random_map_network(seed), "net")
    stages = find_stages(graph)
    groups = [group for way in WAYS for group in every_group(graph, stages, way)]
    if len(stages) > 7:
        pytest.skip("too many ways to try all")
    smallest = min(extent(place_all(way)) for way in ways(groups, 0, len(stages)))
    plan = make_plan(graph)
    assert smallest <= plan.arena_bytes <= smallest * 1.05
    assert all(plan.arena_bytes <= make_plan(graph, strategy).arena_bytes for strategy in WAYS)


def ways(groups, at: int, end: int):
    """Every sequence of groups from one stage to the end."""
    if at == end:
        yield []
    for group in groups:
        if group.first == at:
            yield from ([group, *rest] for rest in ways(groups, group.end, end))


def chain() -> nn.Sequential:
    """The chain of issue and README: 28x28x8 -> 14x14x12 -> 14x14x16 -> 7x7x24."""
    return map_network(
        Input((1, 28, 28), channels="first", shift=1),
        conv(1, 8), conv(8, 12, stride=2), conv(12, 16), conv(16, 24, stride=2),
        GlobalAvgPool(), BitLinear(24, 10, requant=None),
    )  # fmt: skip


def test_a_chain_of_large_maps_streams_in_three_kilobytes():
    graph, _ = lower(chain(), "net")
    plan, by_layer = make_plan(graph), make_plan(graph, "layer")
    assert plan.arena_bytes < 3072
    assert by_layer.arena_bytes > 28 * 28 * 8
    assert [(group.way, len(group.stages)) for group in plan.groups] == [("rows", 5), ("layer", 1)]
    rings = {name: plan.places[name].ring for name in ("1.mulshift", "2.mulshift", "3.mulshift")}
    assert set(rings.values()) == {3}  # the height of the kernels
    assert plan.input_rows == 3
    assert plan.places["(steps) 1.mulshift"].size == COUNTER_BYTES * 5


def test_a_depthwise_stack_goes_by_channels():
    depthwise = {"groups": 64}
    model = map_network(
        Input((16, 16), shift=1), nn.Unflatten(1, (1, 16)), conv(1, 64), conv(64, 64, **depthwise), nn.MaxPool2d(2),
        conv(64, 64, **depthwise), nn.MaxPool2d(2), nn.Flatten(), BitLinear(1024, 10, requant=None),
    )  # fmt: skip
    plan = make_plan(lower(model, "net")[0])
    assert [(group.way, len(group.stages)) for group in plan.groups] == [("channels", 5), ("layer", 1)]
    assert plan.arena_bytes == 1400  # 1,024 that come out, a channel of 16 x 16 and its successors
    assert plan.input_rows == 0


def test_plans_are_deterministic_and_made_again_from_their_file():
    first, second = (make_plan(lower(random_map_network(71), "net")[0]) for _ in range(2))
    assert first.places == second.places
    assert [g.rings for g in first.groups] == [g.rings for g in second.groups]


@pytest.mark.parametrize("depth", [15, 40])
def test_a_plan_of_many_stages_takes_no_time(depth):
    layers = [conv(1, 4), *(conv(4, 4, groups=4 if i % 3 else 1) for i in range(depth - 1))]
    model = map_network(
        Input((1, 28, 28), channels="first", shift=1), *layers, nn.Flatten(), BitLinear(4 * 28 * 28, 10, requant=None)
    )
    graph, _ = lower(model, "net")
    began = time.process_time()
    plan = make_plan(graph)
    assert time.process_time() - began < 2
    assert plan.arena_bytes <= make_plan(graph, "rows").arena_bytes


def test_a_strategy_that_does_not_exist_is_refused():
    with pytest.raises(HalfbyteError, match=r"^plan 'rings': expected one of auto, layer"):
        export(network(8, 5, 3), "net", plan="rings")


def broken(tmp_path, strategy: str = "auto"):
    """The chain as C, and the mismatches of it."""
    exported = export(chain(), "net", out=tmp_path, plan=strategy)
    compile_with(exported, "-O0")
    return exported, exported.compare(random_samples(exported.graph, 3)).mismatches


def test_one_row_less_between_an_output_and_the_input_it_is_written_over_is_noticed(tmp_path, monkeypatch):
    right = placing.may_lie_over

    def one_row_less(stage, **kwargs):
        over = right(stage, **kwargs)
        if over is None or not stage.steps:
            return over
        return dataclasses.replace(over, gap=over.gap - stage.shape[1] * stage.shape[2])

    exported, mismatches = broken(tmp_path / "right", "layer")
    assert mismatches == 0
    assert overwritten(exported.plan) == []
    monkeypatch.setattr(placing, "may_lie_over", one_row_less)
    exported, mismatches = broken(tmp_path / "wrong", "layer")
    assert mismatches > 0
    assert overwritten(exported.plan) != []


def test_one_row_less_in_every_ring_is_noticed(tmp_path, monkeypatch):
    _, mismatches = broken(tmp_path / "right")
    assert mismatches == 0
    right = placing._by_rows
    monkeypatch.setattr(
        placing,
        "_by_rows",
        lambda *args: (dataclasses.replace(i, ring=i.ring - 1 if i.ring > 1 else i.ring) for i in right(*args)),
    )
    _, mismatches = broken(tmp_path / "wrong")
    assert mismatches > 0


def test_an_activation_lies_exactly_on_its_input_and_a_sum_of_two_on_the_first():
    rule = Input((12, 3), channels="last", dtype="int8")
    first, second = (BitConv1d(3, 3, 3, padding=1, requant="mulshift", signed=True) for _ in range(2))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rule, self.a, self.b, self.add = rule, first, second, Add(signed=True)
            self.act, self.last = Activation("tanh", unit_in=30), BitLinear(36, 3, requant=None)

        def forward(self, x):
            x = self.rule(x)
            return self.last(self.act(self.add(self.a(x), self.b(x))).flatten(1))

    plan = make_plan(lower(Net().eval(), "net")[0], "layer")
    assert plan.places["act"].offset == plan.places["a.mulshift"].offset
    assert plan.places["act"].overlaps(plan.places["a.mulshift"])


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


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_plan_json_is_the_plan(strategy):
    exported = export(chain(), "net", plan=strategy)
    record = json.loads((exported.folder / "plan.json").read_text(encoding="utf-8"))
    assert record["digest"] == exported.graph.digest
    assert record["strategy"] == strategy
    assert record["arena_bytes"] == exported.plan.arena_bytes
    assert {name: Place(**place) for name, place in record["places"].items()} == exported.plan.places
    header = (exported.folder / "c" / "net.h").read_text(encoding="utf-8")
    assert f"#define HB_NET_ARENA_BYTES {exported.plan.arena_bytes}\n" in header
