# SPDX-License-Identifier: Apache-2.0
"""The overflow certificate: no input leaves the intervals, and a network that could overflow is refused by name."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import ranges, seeds
from support import INT32, network

from exporter import reference
from exporter.bounds import find_bounds, to_json
from exporter.export import export
from exporter.graph import Graph, Node
from exporter.lower import lower
from exporter.ops import AddBias, InputShift, Interval, Linear, MaxShift, MulShift, Shift
from exporter.randomnet import random_network
from exporter.verify import random_samples
from training.errors import HalfbyteError


def chain(*ops, shape: tuple[int, ...], dtype: str = "int8") -> Graph:
    rule = Node("input", InputShift(dtype, 0, 0, -127, 127), ("raw",))
    nodes = [rule]
    for index, op in enumerate(ops):
        nodes.append(Node(f"layer{index}.{op.kind}", op, (nodes[-1].name,)))
    return Graph("net", dtype, shape, tuple(nodes))


def inside(graph: Graph, samples: np.ndarray) -> dict[str, np.ndarray]:
    bounds, tensors = find_bounds(graph), reference.run(graph, samples)
    assert set(bounds) == set(tensors)
    for name, tensor in tensors.items():
        assert (tensor >= bounds[name].lo).all(), name
        assert (tensor <= bounds[name].hi).all(), name
    return tensors


@given(seeds, ranges)
@settings(max_examples=30)
def test_every_possible_input_of_a_tiny_network_stays_inside_and_sums_reach_both_ends(seed, limits):
    lo, hi = limits
    rng = np.random.default_rng(seed)
    w1, w2 = rng.integers(-127, 128, (3, 2)), rng.integers(-15, 16, (2, 3))
    m, s = rng.integers(-900, 900, 3), rng.integers(0, 20, 3)
    requant = [
        MaxShift(lo, hi),
        Shift(int(s[0]), lo, hi, rng.integers(-9000, 9000, 3)),
        MulShift(lo, hi, m, rng.integers(-9000, 9000, 3), s),
    ][seed % 3]
    graph = chain(Linear("int8", w1), requant, Linear("sym4", w2), AddBias(rng.integers(-99, 99, 2)), shape=(2,))
    samples = np.asarray([*itertools.product(range(-128, 128, 5), repeat=2), *itertools.product((-128, 127), repeat=2)])
    tensors = inside(graph, samples)
    bounds = find_bounds(graph)
    assert np.array_equal(tensors["layer0.linear"].max(0), bounds["layer0.linear"].hi)
    assert np.array_equal(tensors["layer0.linear"].min(0), bounds["layer0.linear"].lo)


@given(seeds)
@settings(max_examples=60)
def test_random_networks_stay_inside_for_random_and_extreme_inputs(seed):
    graph, _ = lower(random_network(seed), "net")
    tensors = inside(graph, random_samples(graph, 40, seed))
    assert all(INT32[0] <= tensor.min() and tensor.max() <= INT32[1] for tensor in tensors.values())


@given(seeds)
@settings(max_examples=20)
def test_partial_sums_in_any_order_stay_inside_too(seed):
    rng = np.random.default_rng(seed)
    w, x = rng.integers(-127, 128, 40), rng.integers(-127, 128, 40)
    interval = Linear("int8", w[None]).interval(Interval(np.full(40, -127), np.full(40, 127)), "fc")
    for order in (np.argsort(w * x), np.argsort(-w * x), rng.permutation(40)):
        partial = np.cumsum((w * x)[order])
        assert interval.lo[0] <= partial.min()
        assert partial.max() <= interval.hi[0]


def point(*values: int) -> Interval:
    return Interval(np.asarray(values, np.int64), np.asarray(values, np.int64))


BIG = INT32[1]


@pytest.mark.parametrize(
    ("op", "values", "message"),
    [
        (
            Linear("int8", np.full((2, 140_000), 127) * [[0], [1]]),
            [127] * 140_000,
            "a partial sum of channel 1 can reach",
        ),
        (MaxShift(0, 127), [0, BIG - 2], "a sum plus the rounding half of channel 1 can reach"),
        (MaxShift(-127, 127), [0, -BIG - 1], "the size of a sum of channel 1 can reach"),
        (Shift(0, 0, 127, np.asarray([0, 1])), [BIG, BIG], "a sum plus bias of channel 1 can reach"),
        (Shift(0, 0, 127, np.asarray([0, BIG + 1])), [0, -9], "the bias of channel 1 can reach"),
        (Shift(9, 0, 127, np.asarray([0, 1])), [0, BIG - 1], "a sum plus bias and rounding half of channel 1"),
        (Shift(32, 0, 127, np.asarray([-9, -9])), [0, -9], "shift 32 is outside"),
        (MulShift(0, 127, *np.asarray([[1, 2], [0, 0], [0, 0]])), [BIG, 2**30], r"the product sum \* m of channel 1"),
        (MulShift(0, 127, *np.asarray([[1, 1], [0, 1], [0, 0]])), [BIG, BIG], "the product plus bias of channel 1"),
        (MulShift(0, 127, *np.asarray([[1, 1], [0, BIG + 1], [0, 0]])), [0, -9], "the bias of channel 1 can reach"),
        (AddBias(np.asarray([0, 1])), [BIG, BIG], "a score plus bias of channel 1 can reach"),
        (AddBias(np.asarray([0, BIG + 1])), [0, -9], "the bias of channel 1 can reach"),
    ],
)
def test_an_operation_that_could_leave_32_bits_is_refused_naming_layer_and_channel(op, values, message):
    with pytest.raises(HalfbyteError, match=rf"^fc7: {message}"):
        op.interval(point(*values), "fc7")


@pytest.mark.parametrize(
    ("op", "values"),
    [
        (MaxShift(-127, 127), [-BIG, BIG - 2**23]),
        (Shift(0, 0, 127, np.asarray([-1, 1])), [-BIG, BIG - 1]),
        (MulShift(0, 127, *np.asarray([[-1, 1], [0, 1], [0, 0]])), [BIG, BIG - 1]),
        (AddBias(np.asarray([-1, 1])), [-BIG, BIG - 1]),
    ],
)
def test_what_just_fits_32_bits_is_taken(op, values):
    op.interval(point(*values), "fc7")


def test_a_network_that_overflows_is_refused_at_export_and_leaves_no_file(tmp_path):
    model = network(20, 5, 3, requant="shift", last={"bias": True})
    model.fc1.requant.running_max.fill_(1.0)
    model.fc1.requant.bias.data[2] = 2.0**31 - 1
    with pytest.raises(HalfbyteError, match=r"^fc1\.shift: .* of channel 2 can reach \[.*\], outside int32"):
        export(model, "net", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    model = network(20, 5, 3, requant="shift", last={"bias": True})
    model.fc2.bias.bias.data[1] = -1e9
    with pytest.raises(HalfbyteError, match=r"^fc2\.add_bias: the bias of channel 1 can reach"):
        export(model, "net")


def test_a_layer_so_wide_that_it_could_overflow_is_refused():
    model = network(140_000, 2, format="int8", dtype="int8")
    model.fc1.weight.data[0] = 0.0
    model.fc1.weight.data[1] = 1.0
    with pytest.raises(HalfbyteError, match=r"^fc1: a partial sum of channel 1 can reach \[-\d+, \d+\], outside int32"):
        export(model, "net")


def test_bounds_json_holds_every_channel_of_every_tensor():
    model = network(6, 5, 3, requant="mulshift", dtype="int8", shift=1)
    exported = export(model, "net")
    record = json.loads((exported.folder / "bounds.json").read_text(encoding="utf-8"))
    assert record.pop("digest") == exported.graph.digest
    assert record.pop("spec") == 1
    assert list(record) == [node.name for node in exported.graph.nodes]
    for name, interval in exported.bounds.items():
        assert record[name] == {"peak": interval.peak, "lo": interval.lo.tolist(), "hi": interval.hi.tolist()}
    assert to_json(exported.graph, exported.bounds).encode() == (exported.folder / "bounds.json").read_bytes()
    w = exported.graph.nodes[1].op.w
    assert record["fc1"]["hi"] == (np.maximum(w, 0) * 63 - np.minimum(w, 0) * 64).sum(1).tolist()


def test_the_generated_c_states_the_largest_sum_of_each_layer():
    exported = export(network(6, 5, 3), "net")
    source = (exported.folder / "c" / "net.c").read_text(encoding="utf-8")
    for name in ("fc1", "fc2"):
        assert f"#define PEAK_{name.upper()} {exported.bounds[name].peak}\n" in source
