# SPDX-License-Identifier: Apache-2.0
"""From modules to a graph: what can be exported, and one line that names the module for what cannot."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from support import conv, named, network, one_line
from torch import nn
from torch.nn import functional

from exporter.export import export
from exporter.lower import lower
from training.errors import HalfbyteError
from training.layers import Add, AvgPool2d, BitLinear, Concat, Input


def hidden(n_in: int = 8, n_out: int = 5, **options) -> BitLinear:
    return BitLinear(n_in, n_out, **options)


def scores(n_in: int = 5, n_out: int = 3, **options) -> BitLinear:
    return BitLinear(n_in, n_out, requant=None, **options)


def refused(model: nn.Module, message: str) -> None:
    with pytest.raises(HalfbyteError, match=message) as caught:
        export(model, "net")
    assert one_line(str(caught.value))


class Free(nn.Module):
    """Written by hand, with a block inside, shapes changed on the way, and modules in another order than they run."""

    def __init__(self) -> None:
        super().__init__()
        self.out = scores(4)
        self.block = nn.Sequential(nn.Identity(), hidden(6, 5), nn.Dropout(0.3), hidden(5, 4))
        self.rule = Input((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rule(x).flatten(1)
        x = self.block(x.reshape(-1, 6).contiguous())
        return self.out(torch.flatten(x, 1))


def test_a_free_form_forward_is_lowered_in_the_order_it_runs():
    graph, taps = lower(Free(), "net")
    assert [node.name for node in graph.nodes] == [
        "rule", "block.1", "block.1.maxshift", "block.3", "block.3.maxshift", "out",
    ]  # fmt: skip
    assert set(taps) == {node.name for node in graph.nodes}
    assert [graph.shapes[node.name] for node in graph.nodes] == [(2, 3), (5,), (5,), (4,), (4,), (3,)]
    assert export(Free(), "net").verify(np.zeros((1, 2, 3), np.uint8)).mismatches == 0


class SizedByHand(Free):
    """The two common ways to flatten by hand."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rule(x)
        x = x.view(x.size(0), -1)
        return self.out(self.block(x.reshape(x.shape[0], -1)))


def test_sizes_that_forward_asks_for_are_no_layers():
    assert [node.name for node in lower(SizedByHand(), "net")[0].nodes] == [
        node.name for node in lower(Free(), "net")[0].nodes
    ]


def test_an_input_without_a_size_is_refused():
    for shape in ((), (0,), (3, 0)):
        with pytest.raises(HalfbyteError, match="shape must have at least one size"):
            Input(shape)


def test_every_operation_a_module_becomes_has_a_node():
    rule = Input((4, 6), resize=(2, 3), shift=1)
    layers = [hidden(6, 5, requant="shift"), hidden(5, 5, requant="mulshift")]
    graph, _ = lower(nn.Sequential(rule, nn.Flatten(), *layers, scores(bias=True)), "net")
    kinds = ["resize_area", "input_shift", "linear", "shift", "linear", "mulshift", "linear", "add_bias"]
    assert [node.op.kind for node in graph.nodes] == kinds
    assert graph.nodes[0].name == "0.resize_area"
    assert graph.nodes[-1].name == "4.add_bias"


def test_export_puts_a_model_and_every_part_of_it_into_eval():
    model = network(8, 5, 3).train()
    export(model, "net")
    assert not any(module.training for module in model.modules())
    model.fc1.train()
    with torch.no_grad():
        model.fc1.weight.mul_(torch.linspace(0.1, 4, 40).view(5, 8))
    assert export(model, "net").verify(np.zeros((1, 8), np.uint8)).mismatches == 0


@pytest.mark.parametrize(
    ("module", "instead"),
    [
        (nn.Linear(5, 5), "use hb.BitLinear"),
        (nn.Conv2d(1, 1, 1), "use hb.BitConv2d"),
        (nn.BatchNorm1d(5), "norm='batch'"),
        (nn.LayerNorm(5), "norm='rms'"),
        (nn.Softmax(1), "the class is the largest score"),
        (nn.Sigmoid(), 'use hb.Activation("sigmoid"'),
        (nn.Bilinear(5, 5, 5), "supported: hb.Input, hb.BitLinear"),
    ],
)
def test_an_unsupported_module_is_refused_with_its_path_and_what_to_use(module, instead):
    model = named(input=Input((8,)), body=named(fc1=hidden(), odd=module), last=scores())
    refused(model, rf"^body\.odd: {type(module).__name__} cannot be exported.*{re.escape(instead)}")


def test_a_subclass_that_may_compute_something_else_is_refused():
    class Twice(BitLinear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(x)

    refused(named(input=Input((8,)), fc1=Twice(8, 5), last=scores()), "^fc1: Twice cannot be exported")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            named(fc1=hidden(), last=scores()),
            r"^fc1: a network begins with hb\.Input\(shape, \.\.\.\), found BitLinear",
        ),
        (hidden(), "^model: a network begins with hb.Input"),
        (named(a=Input((8,)), b=Input((8,)), fc=scores(8)), r"^b: a network has one hb\.Input, its first layer"),
        (named(a=nn.Identity()), "^a: a network begins with"),
        (nn.Sequential(), "the model has no layers|cannot be traced|must take one tensor"),
        (named(input=Input((8,)), fc1=hidden()), r"^fc1\.maxshift: the last layer's sums are the scores; give it req"),
        (named(input=Input((8,))), r"^input: the last layer's sums are the scores"),
        (named(input=Input((8,)), fc1=scores(8, 5), fc2=scores()), r"^fc1: int32 sums go into fc2; give it a requant"),
        (
            named(input=Input((8,)), fc1=hidden(8, 6), fc2=scores()),
            r"^fc2: takes 5 inputs, but 6 come out of fc1\.maxshift \(6,\); give it 6",
        ),
        (named(input=Input((9,)), fc1=hidden(), fc2=scores()), "^fc1: takes 8 inputs, but 9 come out of input"),
        (named(input=Input((8,)), fc1=hidden(1, 5), fc2=scores()), "^fc1: takes 1 inputs, but 8 come out of input"),
        (named(raw=Input((8,)), fc1=hidden(), fc2=scores()), "^raw: this is the name of what enters the network"),
    ],
)
def test_a_chain_that_is_no_network_is_refused(model, message):
    refused(model, message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "float"}, "^fc1: format 'float' has no integer weights"),
        ({"norm": "layer"}, "^fc1: norm 'layer' has no exact integer form behind 'maxshift'; use one of none, rms, l1"),
        ({"norm": "batch"}, "^fc1: norm 'batch' .* or requant 'mulshift'"),
        ({"norm": "rms", "requant": "shift"}, "^fc1: norm 'rms' has no exact integer form behind 'shift'"),
        ({"norm": "layer", "requant": "mulshift"}, "^fc1: norm 'layer' .* behind 'mulshift'"),
        ({"scale": "channel"}, "^fc1: scale 'channel' needs requant 'mulshift', found 'maxshift'"),
        ({"scale": "channel", "requant": "shift"}, "^fc1: scale 'channel' needs requant 'mulshift', found 'shift'"),
    ],
)
def test_what_trains_but_has_no_exact_integers_is_refused(options, message):
    refused(named(input=Input((8,)), fc1=hidden(**options), fc2=scores()), message)


def test_scores_with_a_scale_for_every_channel_are_refused():
    refused(named(input=Input((8,)), fc1=scores(8, 3, scale="channel")), "^fc1: scores need one scale")


def test_a_bias_of_scores_behind_maxshift_is_refused_and_elsewhere_taken():
    model = named(input=Input((8,)), fc1=hidden(), fc2=hidden(5, 5, requant="shift"), fc3=scores(bias=True))
    refused(model, r"^fc3\.add_bias: a bias needs scores of a fixed scale, and maxshift scales every sample on its own")
    lower(network(8, 5, 3, requant="shift", last={"bias": True}), "net")
    lower(named(input=Input((8,)), fc1=scores(8, 3, bias=True)), "net")


class Twice(nn.Module):
    """One layer, two uses."""

    def __init__(self) -> None:
        super().__init__()
        self.rule, self.fc, self.out = Input((5,)), hidden(5, 5), scores()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.fc(self.fc(self.rule(x))))


class Branch(Twice):
    """A result that nobody takes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rule(x)
        self.fc(x)
        return self.out(x)


class Residual(Twice):
    """Two tensors into one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rule(x)
        return self.out(x + self.fc(x))


class Function(Twice):
    """A function instead of a module."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.relu(self.fc(self.rule(x))))


class TwoTensors(Twice):
    """Two inputs."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.out(self.fc(self.rule(x)) + y)


class Pair(Twice):
    """Two outputs."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.fc(self.rule(x))
        return self.out(x), x


class Condition(Twice):
    """Control flow that depends on data."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rule(x)
        return self.out(self.fc(x)) if x.sum() > 0 else self.out(x)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Twice(), "^fc: used twice in forward"),
        (Branch(), "^fc.maxshift: nobody takes what it makes; remove it from forward"),
        (Residual(), "'add' cannot be exported; use hb.Add()"),
        (Function(), r"'relu' cannot be exported; use nn.ReLU\(\)"),
        (TwoTensors(), "^TwoTensors: forward\\(\\) must take one tensor"),
        (Pair(), "^Pair: forward\\(\\) must return the scores alone"),
        (Condition(), "^Condition: forward\\(\\) cannot be traced"),
    ],
)
def test_a_forward_that_is_no_chain_is_refused(model, message):
    refused(model, message)


class FixedBatch(Free):
    """A batch size as a number: fits two samples and no other count."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.block(self.rule(x).reshape(2, -1)))


def test_as_many_labels_as_scores_or_none():
    with pytest.raises(HalfbyteError, match="2 labels for 3 scores"):
        lower(Free(), "net", ("a", "b"))
    assert lower(Free(), "net", ("a", "b", "c"))[0].labels == ("a", "b", "c")


def test_a_batch_size_written_as_a_number_is_refused():
    refused(FixedBatch(), r"forward\(\)")


def test_a_layer_that_keeps_an_axis_needs_a_flatten_in_front():
    model = named(input=Input((1, 8)), fc1=hidden(), fc2=scores())
    refused(model, r"^fc1: takes vectors, but \(1, 8\) comes out of input; put nn\.Flatten\(\) in front")


def test_a_reshape_that_mixes_samples_is_refused():
    class Mixing(Twice):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.fc(self.rule(x).view(5, -1).reshape(5, -1)))

    refused(Mixing(), "fc: fails on samples of shape|forward\\(\\) makes")
    refused(
        named(input=Input((1, 8)), flat=nn.Flatten(0), fc1=hidden(), fc2=scores()), "^fc1: fails on samples of shape"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("kind", "name"), [("maxshift", "weight"), ("shift", "requant.bias"), ("mulshift", "requant.variance")]
)
def test_values_that_are_not_finite_are_refused_by_name(kind, name, value):
    model = network(8, 5, 3, requant=kind)
    {**dict(model.named_parameters()), **dict(model.named_buffers())}[f"fc1.{name}"].data.view(-1)[0] = value
    refused(model, rf"^fc1\.{name}: has values that are not finite; train again")


def test_a_gain_that_no_multiplier_can_hold_is_refused_with_layer_and_channel():
    model = network(8, 5, 3, requant="mulshift")
    model.fc1.requant.gamma.data[3] = 1e9
    refused(model, "^fc1: channel 3: gain .* needs more than 32 bits")


@pytest.mark.parametrize(
    "name", ["", "1net", "a b", "int", "größe", "a.b", "a/b", "net;", "hb", "hb_net", "stdint", "Math", "Mul"]
)
def test_a_name_that_is_no_c_identifier_or_hides_a_file_is_refused(name):
    with pytest.raises(HalfbyteError, match=re.escape(f"name '{name}'")):
        export(network(8, 5, 3), name)


def test_a_refused_network_leaves_no_files(tmp_path):
    with pytest.raises(HalfbyteError):
        export(named(input=Input((8,)), fc1=hidden(norm="layer"), fc2=scores()), "net", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- Maps ----------------------------------------------------------------------------------------------------------


def images(channels: int = 1, side: int = 6) -> Input:
    return Input((channels, side, side), channels="first")


class Block(nn.Module):
    """A residual sum and a concatenation, written by hand."""

    def __init__(self, join=None) -> None:
        super().__init__()
        self.rule, self.stem, self.branch = images(3), conv(3, 4), nn.Sequential(conv(4, 4), conv(4, 4))
        self.add, self.side, self.cat = Add(), conv(4, 2, 1), Concat()
        self.out = BitLinear(6 * 9, 3, requant=None)
        self.pool, self.join = nn.MaxPool2d(2), join

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(self.rule(x))
        x = self.join(self, x) if self.join else self.add(self.branch(x), x)
        x = self.pool(self.cat(x, self.side(x)))
        return self.out(torch.flatten(x, 1))


def test_a_free_form_forward_of_maps_is_lowered_in_the_order_it_runs():
    graph, _ = lower(Block().eval(), "net")
    inputs = {node.name: node.inputs for node in graph.nodes}
    assert inputs["add"] == ("branch.1.mulshift", "stem.mulshift")
    assert inputs["cat"] == ("add", "side.mulshift")
    assert graph.shapes["cat"] == (6, 6, 6)
    assert graph.shapes["pool"] == (3, 3, 6)
    assert export(Block(), "net").verify(np.zeros((1, 3, 6, 6), np.uint8)).mismatches == 0


@pytest.mark.parametrize(
    ("join", "message"),
    [
        (lambda s, x: x + s.branch(x), r"^add: 'add' cannot be exported; use hb\.Add\(\)"),
        (lambda s, x: torch.cat([x, s.branch(x)], 1), r"^cat: 'cat' cannot be exported; use hb\.Concat\(\)"),
        (lambda s, x: functional.relu(s.branch(x)), r"^relu: 'relu' cannot be exported; use nn\.ReLU\(\)"),
        (lambda s, x: functional.max_pool2d(x, 2), r"cannot be exported; use nn\.MaxPool2d"),
        (lambda s, x: functional.avg_pool2d(x, 2), r"^avg_pool2d: .* use hb\.AvgPool2d"),
        (lambda s, x: functional.gelu(s.branch(x)), r"^gelu: 'gelu' cannot be exported; use hb\.Activation\(\"gelu\""),
        (lambda s, x: functional.pad(x, (1, 1)), r"^pad: 'pad' cannot be exported; use padding"),
        (lambda s, x: x.mean((2, 3)), r"^mean: 'mean' cannot be exported; use hb\.GlobalAvgPool\(\)"),
        (lambda s, x: x.permute(0, 2, 3, 1), r"^permute: 'permute' cannot be exported; supported are"),
        (lambda s, x: s.add(x, s.pool(x)), r"^add: add takes two maps of one shape, but \(6, 6, 4\) and \(3, 3, 4\)"),
        (lambda s, x: s.cat(x, s.pool(x)), r"^cat: Concat: takes inputs that differ in their channels alone, got"),
        (lambda s, x: s.branch(x.view(-1, 4, 7, 5)), r"^branch\.0: fails on samples of shape \(3, 6, 6\): "),
    ],
)  # fmt: skip
def test_what_joins_maps_in_another_way_is_refused_with_what_to_use(join, message):
    refused(Block(join), message)


@pytest.mark.parametrize(
    ("module", "instead"),
    [
        (nn.Conv2d(4, 4, 3), "use hb.BitConv2d"),
        (nn.ConvTranspose2d(4, 4, 3), "supported: hb.Input"),
        (nn.BatchNorm2d(4), "use norm='batch', requant='mulshift' in the layer before it"),
        (nn.Softmax(1), "use nothing: the class is the largest score"),
        (nn.AvgPool2d(2), "use hb.AvgPool2d"),
        (nn.AdaptiveAvgPool2d(1), "use hb.GlobalAvgPool"),
        (nn.Hardswish(), 'use hb.Activation("hardswish"'),
        (nn.GELU(), 'use hb.Activation("gelu"'),
        (nn.LeakyReLU(), 'use hb.Activation("leaky_relu"'),
        (nn.ZeroPad2d(1), "use padding=... of the layer behind it"),
        (nn.AdaptiveMaxPool2d(1), "use nn.MaxPool2d, of the size of the map"),
        (nn.Upsample(scale_factor=2), "supported: hb.Input"),
    ],
)
def test_a_layer_between_maps_that_cannot_be_exact_is_refused_with_its_path(module, instead):
    body = nn.Sequential(conv(1, 4), nn.Sequential(conv(4, 4), module))
    refused(named(input=images(), body=body), rf"^body\.1\.1: {type(module).__name__} cannot .*{re.escape(instead)}")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            named(input=Input((1, 1, 40000), channels="first"), a=conv(1, 2), f=nn.Flatten(), b=scores(80000)),
            r"^a: conv takes maps of at most 32767 rows and pixels, padding included, found 40002",
        ),
        (
            named(input=images(1, 300), a=nn.MaxPool2d(260, 1), f=nn.Flatten(), b=scores(41**2)),
            r"^a: maxpool takes windows with numbers of at most 255, found size \(260, 260\)",
        ),
        (
            named(input=images(), a=nn.MaxPool2d(7), f=nn.Flatten(), b=scores(1)),
            r"^a: maxpool has a window of \(7, 7\), larger than the map \(6, 6\) with padding \(0, 0\); use a smaller",
        ),
        (
            named(input=Input((6, 6)), a=conv(1, 3), f=nn.Flatten(), b=scores(108)),
            r"^a: takes maps .*, but \(6, 6\) comes out of input; give it a channel: .*nn\.Unflatten\(1, \(1, 6\)\)",
        ),
        (
            named(input=images(), a=nn.MaxPool2d(2, ceil_mode=True), f=nn.Flatten(), b=scores(9)),
            "^a: MaxPool2d takes neither ceil_mode, dilation nor return_indices",
        ),
        (
            named(input=images(), a=conv(1, 3), b=scores(108)),
            r"^b: takes vectors, but \(3, 6, 6\) comes out of a\.mulshift; put nn\.Flatten\(\) in front",
        ),
        (
            named(input=images(), a=conv(1, 3), f=nn.Flatten(), v=nn.Unflatten(1, (1, 3, 36)), b=conv(1, 2)),
            r"^b: the channels of \(1, 3, 36\) are not those that a\.mulshift has in memory",
        ),
        (
            named(input=images(), a=conv(1, 3, requant="maxshift"), b=nn.Sequential(conv(3, 3), nn.Flatten())),
            r"the last layer's sums are the scores",
        ),
        (
            named(input=images(), f=nn.Flatten(), a=scores(36), b=nn.ReLU()),
            r"^a: int32 sums go into b; give it a requantizer",
        ),
        (
            named(input=images(), a=conv(1, 3, 6, padding=0, requant=None), f=nn.Flatten()),
            r"^a: scores are a vector, found a map; end with hb\.BitLinear",
        ),
    ],
)
def test_a_network_of_maps_that_does_not_fit_is_refused(model, message):
    refused(model, message)


def test_maps_that_maxshift_scales_are_not_added():
    class Scaled(Block):
        def __init__(self) -> None:
            super().__init__()
            self.branch = conv(4, 4, requant="maxshift")

    refused(Scaled(), r"^add: add needs maps of a fixed scale, and maxshift scales every sample on its own")


def test_flattened_maps_are_not_joined_with_vectors():
    def join(s, x):
        return s.cat(torch.flatten(x, 1), torch.flatten(s.side(x), 1)).view(-1, 6, 6, 6)

    refused(Block(join), r"^cat: takes vectors, but stem\.mulshift \(6, 6, 4\) is a flattened map, .* put nn\.Flatten")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("what", ["mean", "variance"])
def test_a_batch_norm_whose_statistics_are_not_finite_is_refused(what, value):
    model = named(input=images(), a=conv(1, 3, norm="batch"), f=nn.Flatten(), b=scores(108))
    getattr(model.a.requant, what).fill_(value)
    refused(model, rf"^a\.requant\.{what}: has values that are not finite; train again")


def test_a_batch_norm_without_statistics_is_refused():
    model = named(input=images(), b=named(a=conv(1, 3, norm="batch")), f=nn.Flatten(), c=scores(108))
    message = r"^b\.a: norm 'batch' has no statistics; run some batches in train\(\) first$"
    refused(model, message)
    refused(model.train(), message)
    refused(model.double(), message)
    model.float().train()(torch.zeros(1, 1, 6, 6))  # a channel's sums may well be 0; its variance moves nevertheless
    lower(model, "net")


def test_a_batch_of_one_sample_gives_a_vector_no_statistics():
    model = named(input=Input((8,)), a=BitLinear(8, 5, requant="mulshift", norm="batch"), c=scores())
    model.train()(torch.ones(1, 8))
    refused(model, "^a: norm 'batch' has no statistics")


def test_pooling_in_floor_mode_leaves_rows_and_pixels_out():
    model = named(input=images(2, 7), a=nn.MaxPool2d(2), b=AvgPool2d(2), f=nn.Flatten(), c=scores(2))
    graph, _ = lower(model, "net")
    assert [graph.shapes[name] for name in "ab"] == [(3, 3, 2), (1, 1, 2)]
