# SPDX-License-Identifier: Apache-2.0
"""Networks of maps: C, NumPy and PyTorch give the same integers, whichever way the planner lets the stages run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import compile_with, conv, map_network, needs_sanitizers
from torch import Tensor, nn

from exporter.export import Exported, export
from exporter.lower import lower
from exporter.ops import AvgPool, Conv, Linear
from exporter.ops.pool import exact_mean
from exporter.plan import STRATEGIES
from exporter.randommaps import Branches, random_map_network
from exporter.sanitized import keep, run_sanitized
from exporter.variants import VARIANTS
from exporter.verify import PUSHED, random_samples
from training.errors import HalfbyteError
from training.formats import FORMATS, get_format
from training.layers import (
    Activation,
    Add,
    AvgPool1d,
    AvgPool2d,
    BitConv1d,
    BitConv2d,
    BitLayer,
    BitLinear,
    Concat,
    GlobalAvgPool,
    Input,
)
from training.requant import REQUANTS

STREAMED, BY_CHANNEL = (13, 57, 64, 67), (14, 24, 32, 41)  # seeds whose plans have long groups of each kind


def check(exported: Exported, count: int = 9) -> None:
    compile_with(exported, "-O0", "-Werror")
    report = exported.compare(random_samples(exported.graph, count))
    assert report.first is None, str(report.first)
    assert report.mismatches == 0
    assert (PUSHED in [layer.name for layer in report.layers]) == (exported.plan.input_rows > 0)


@pytest.mark.parametrize("seed", [0, 5, 35, 43, 59, 79, *STREAMED[:2], *BY_CHANNEL[:2]])
def test_every_integer_of_a_random_network_is_the_same_by_every_plan(seed):
    texts = set()
    for strategy in STRATEGIES:
        exported = export(random_map_network(seed), "net", plan=strategy)
        text = (exported.folder / "c" / "net.c").read_text()
        if text not in texts:
            check(exported)
        texts.add(text)
    assert len(texts) > 1


@pytest.mark.parametrize("requant", REQUANTS)
@pytest.mark.parametrize("plan", ["rows", "layer"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_makes_all_channels_of_a_pixel_with_the_linear_kernel_of_the_format(variant, plan, requant):
    formats = [fmt for fmt in FORMATS if VARIANTS[variant].weights(linear(fmt)) is not None]
    layers = [conv(8, 8, format=fmt, stride=1 + (i == 1), requant=requant) for i, fmt in enumerate(formats)]
    pointwise = conv(8, 9, 1, format=formats[0], stride=2, requant=requant)
    last = BitLinear(9 * 3 * 3, 3, requant=None)
    model = map_network(
        Input((1, 9, 10), channels="first", shift=1),
        conv(1, 8, requant=requant),
        *layers,
        pointwise,
        nn.Flatten(),
        last,
    )
    exported = export(prepared(model), "net", plan=plan, variants=(variant,))
    check(exported)
    first = VARIANTS[variant].weights(linear("sym4"))
    convs = [node for node in exported.graph.nodes if isinstance(node.op, Conv)]
    assert [node.by_pixel for node in convs] == [first is not None, *[True] * (len(formats) + 1)]
    assert [node.kernel() for node in convs[1:]] == [f"hb_linear_{fmt}_{variant}" for fmt in (*formats, formats[0])]


@pytest.mark.parametrize("plan", ["layer", "rows"])
def test_a_vector_joins_a_concatenation_as_a_map_of_one_channel(plan):
    branches = Branches(nn.Identity(), BitConv1d(1, 2, 3, padding=1, requant="mulshift"), concat=Concat())
    model = map_network(Input((7,)), nn.Unflatten(1, (1, 7)), branches, nn.Flatten(), BitLinear(21, 3, requant=None))
    exported = export(prepared(model), "net", plan=plan)
    assert "hb_concat(out + 1, 3," in (exported.folder / "c" / "net.c").read_text()
    check(exported)


def test_a_map_that_goes_on_by_channel_is_not_made_pixel_by_pixel():
    model = map_network(
        Input((2, 8, 8), channels="first", shift=1),
        conv(2, 4),
        conv(4, 4),
        nn.MaxPool2d(2),
        conv(4, 4, groups=4),
        nn.Flatten(),
        BitLinear(64, 3, requant=None),
    )
    exported = export(prepared(model), "net", variants=("mul",))
    assert [node.by_pixel for node in exported.graph.nodes if isinstance(node.op, Conv)] == [True, False, False]
    check(exported)


def linear(fmt: str) -> Linear:
    return Linear(fmt, np.full((1, 1), get_format(fmt).levels[0], np.int64))


def test_the_sanitizers_find_nothing_in_rings_and_channels(tmp_path):
    needs_sanitizers()
    folders = []
    for strategy, numbers in (("rows", STREAMED), ("channels", BY_CHANNEL)):
        for seed in numbers[2:]:
            folders.append(tmp_path / f"{strategy}{seed}")
            exported = export(random_map_network(seed), "net", out=folders[-1], plan=strategy)
            assert any(group.way == strategy for group in exported.plan.groups)
            keep(folders[-1], exported.graph, random_samples(exported.graph, 6))
    result = run_sanitized(*folders)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout == f"clean {len(folders)}\n"


def test_random_networks_of_maps_use_everything_there_is():
    used: set[object] = set()
    for seed in range(90):
        model = random_map_network(seed)
        assert not model.training
        graph, _ = lower(model, "net")
        used |= {node.op.kind for node in graph.nodes} | {graph.dtype}
        used |= {("mean", bool(node.op.mul), node.op.base) for node in graph.nodes if isinstance(node.op, AvgPool)}
        for layer in model.modules():
            if isinstance(layer, (BitConv1d, BitConv2d)):
                used |= {layer.fmt.name, type(layer), *(("kernel", k) for k in layer.kernel_size)}
                used |= {("groups", min(layer.groups, 3)), *(("stride", s) for s in layer.stride)}
                used |= {layer.requant.kind, ("depthwise", layer.groups == layer.in_channels == layer.out_channels > 1)}
    assert used >= {*FORMATS, *REQUANTS, BitConv1d, BitConv2d, "uint8", "int8", "int16", ("depthwise", True)}
    assert used >= {"maxpool", "avgpool", "add", "concat", "lookup", "clip", "input_planes", "input_shift", "add_bias"}
    assert used >= {("kernel", k) for k in (1, 2, 3, 5, 7)} | {("stride", s) for s in (1, 2, 3)}
    assert used >= {("mean", by_multiplier, base) for by_multiplier in (True, False) for base in (0, 127)}
    assert used >= {("groups", g) for g in (1, 2, 3)}


def test_a_random_network_of_maps_is_a_function_of_its_seed():
    before = torch.get_rng_state()
    first, second = (lower(random_map_network(7), "net")[0] for _ in range(2))
    assert first.digest == second.digest
    assert torch.equal(torch.get_rng_state(), before)


class Between(nn.Module):
    """A function between layers: `f(self, x)` is forward()."""

    def __init__(self, f, **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self.f = f

    def forward(self, x: Tensor) -> Tensor:
        return self.f(self, x)


def prepared(model: nn.Module) -> nn.Module:
    map_network(*(m for m in model.modules() if isinstance(m, BitLayer)))  # weights that are not tiny
    return model.eval()


def last(n_in: int) -> BitLinear:
    return BitLinear(n_in, 3, requant=None)


def images(channels: int = 1, side: int = 6) -> Input:
    return Input((channels, side, side), channels="first")


def series_of(n_in: int, n_out: int) -> BitConv1d:
    return BitConv1d(n_in, n_out, 3, padding=1, requant="mulshift")


def two_ways(join: nn.Module, rule: Input, a: nn.Module, b: nn.Module, n: int, *, flat: bool = False) -> nn.Module:
    """What comes out of the input goes two ways, which join again; `flat`: after nn.Flatten()."""

    def forward(net, x):
        x = net.rule(x)
        a, b = net.a(x), net.b(x)
        return net.last(net.join(*(v.flatten(1) for v in (a, b)) if flat else (a, b)).flatten(1))

    return Between(forward, rule=rule, a=a, b=b, join=join, last=last(n))


def doubled(net, x):
    x = net.a(net.rule(x))
    return net.last(net.add(x, x).flatten(1))


@pytest.mark.parametrize("base", [0, 127])
def test_the_mean_of_every_area_is_rounded_half_up(base):
    for area in [*range(1, 2049), 65025, 99991, 1 << 20, 4999999, 8438049]:
        op = AvgPool((1, area, 1), (1, area), (1, 1), (0, 0), *exact_mean(area, base), base)
        steps = np.arange(-base, 128, dtype=np.int64)[:, None] * area - area // 2 + np.arange(-1, 2)
        sums = np.append(steps, [-base * area, 127 * area]).clip(-base * area, 127 * area)
        assert np.array_equal(op.mean(sums), (2 * sums + area) // (2 * area)), area


def test_the_multiplier_of_a_mean_is_the_first_that_is_exact():
    for area, base in ((97, 127), (194, 0), (201, 0), (287, 127), (574, 0), (49, 127), (267, 127), (531, 0)):
        offset, mul, shift = exact_mean(area, base)
        every = np.arange(127 * area + offset + 1, dtype=np.int64)
        muls = [-(-(1 << s) // area) for s in range(25)]
        exact = [
            (m, s)
            for s, m in enumerate(muls)
            if m * every[-1] < 2**32 and np.array_equal(every * m >> s, every // area)
        ]
        assert (mul, shift) == (exact or [(0, 0)])[0]


def test_a_mean_of_too_many_activations_is_refused():
    with pytest.raises(HalfbyteError, match=r"^the mean of 8438050 activations needs more than 32 bits; pool the map"):
        exact_mean(8438050, 127)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("plan", STRATEGIES)
def test_means_of_any_area_are_exact(plan, signed, tmp_path):
    options = {"padding": 0, "signed": signed}
    model = map_network(
        images(side=30), conv(1, 4, **options), GlobalAvgPool(), nn.Unflatten(1, (4, 1, 1)),
        conv(4, 5, 1, **options), AvgPool2d(25, padding=12), nn.Flatten(), last(5),
    )  # fmt: skip
    exported = export(model, "net", out=tmp_path, plan=plan)
    means = [node.op for node in exported.graph.nodes if isinstance(node.op, AvgPool)]
    assert [(op.area, op.mul) for op in means] == [(784, 0), (625, 0)]
    check(exported, 40)


RESHAPED = {
    "an activation in front of a map of one channel": lambda: nn.Sequential(
        images(), Activation("hardswish", unit_in=30, signed_in=False), conv(1, 4), conv(4, 3), nn.Flatten(), last(108)
    ),
    "an image that becomes a series": lambda: nn.Sequential(
        images(), conv(1, 4), conv(4, 4), nn.Flatten(2), series_of(4, 3), AvgPool1d(2), nn.Flatten(), last(54)
    ),
    "a series that becomes an image": lambda: nn.Sequential(
        Input((2, 36), channels="first"), series_of(2, 4), nn.Unflatten(2, (6, 6)), conv(4, 3), nn.Flatten(), last(108)
    ),
    "a vector that becomes an image": lambda: nn.Sequential(
        Input((6,)), BitLinear(6, 36, requant="shift"), nn.Unflatten(1, (1, 6, 6)), conv(1, 5), nn.Flatten(), last(180)
    ),
    "a mean that becomes a map again": lambda: nn.Sequential(
        images(3), conv(3, 4), GlobalAvgPool(), nn.Unflatten(1, (4, 1, 1)), conv(4, 5, 1), nn.Flatten(), last(5)
    ),
    "a map of one row and its mean": lambda: nn.Sequential(
        Input((2, 1, 8), channels="first"), conv(2, 3), GlobalAvgPool(), last(3)
    ),
    "more padding than kernel": lambda: nn.Sequential(
        images(), conv(1, 4, padding=4), conv(4, 3, 1, padding=2), conv(3, 3), nn.Flatten(), last(3 * 16 * 16)
    ),
    "a ReLU behind nn.Flatten": lambda: nn.Sequential(
        images(), conv(1, 3, signed=True), nn.Flatten(), nn.ReLU(), last(108)
    ),
    "flattened maps added": lambda: two_ways(Add(), images(), conv(1, 3), conv(1, 3), 108, flat=True),
    "a map added to itself": lambda: Between(doubled, rule=images(), a=conv(1, 3), add=Add(), last=last(108)),
    "vectors concatenated": lambda: two_ways(
        Concat(), Input((5,)), BitLinear(5, 3, requant="shift"), BitLinear(5, 4, requant="shift"), 7
    ),
    "an input read by two": lambda: two_ways(
        Add(), images(), conv(1, 3, 5, stride=2), nn.Sequential(conv(1, 3), conv(3, 3, stride=2)), 27
    ),
}


@pytest.mark.parametrize("name", RESHAPED)
def test_reshapes_between_layers_change_no_integer(name):
    for strategy in ("layer", "rows"):
        check(export(prepared(RESHAPED[name]()), "net", plan=strategy), 4)
