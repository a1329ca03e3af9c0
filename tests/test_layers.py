# SPDX-License-Identifier: Apache-2.0
"""Layers: gradients flow in train(), integers come out of eval() whatever the precision settings, and both agree."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from support import integers, network
from torch import nn

from exporter import reference
from exporter.lower import lower, tapped_run
from training.errors import HalfbyteError
from training.formats import FORMATS
from training.layers import BitConv2d, BitLinear, Input, area_weights
from training.requant import REQUANTS, MaxShift

formats = pytest.mark.parametrize("name", FORMATS)
requants = pytest.mark.parametrize("kind", REQUANTS)


def raw_samples(n: int = 40, width: int = 30) -> np.ndarray:
    x = np.random.default_rng(1).integers(0, 256, (n, width), np.uint8)
    x[0], x[1] = 0, 255
    return x


def warm(model: nn.Sequential, x: np.ndarray) -> nn.Sequential:
    """A step of training, so that statistics and biases are not what they began as."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(3):
        model.train()(torch.as_tensor(x)).logsumexp(1).sum().backward()
        optimizer.step()
    return model.eval()


@formats
@requants
def test_every_parameter_gets_a_finite_gradient_and_weights_one_that_is_not_zero(name: str, kind: str):
    model = network(30, 20, 10, format=name, requant=kind, last={"bias": True}).train()
    model(torch.as_tensor(raw_samples())).logsumexp(1).sum().backward()
    for parameter in model.parameters():
        assert torch.isfinite(parameter.grad).all()
    assert model.fc1.weight.grad.abs().max() > 0
    assert model.fc2.weight.grad.abs().max() > 0


def test_the_gradient_of_maxshift_is_that_of_dividing_by_its_power_of_two():
    acc = torch.tensor([[300.0, -5.0, 511.0, 2.0]], requires_grad=True)
    MaxShift(4)(acc, None).backward(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    assert acc.grad.tolist() == [[0.25, 0.0, 0.75, 1.0]]
    acc = torch.tensor([[300.0, -5.0, 511.0, 2.0]], requires_grad=True)
    MaxShift(4, signed=True)(acc, None).backward(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    assert acc.grad.tolist() == [[0.25, 0.5, 0.75, 1.0]]


@pytest.mark.parametrize("norm", ["rms", "l1"])
def test_behind_a_norm_the_gradient_has_no_part_along_the_sums_themselves(norm: str):
    acc = (torch.randn(5, 40) * 300).requires_grad_()
    MaxShift(40, signed=True, norm=norm)(acc, None).backward(torch.randn(5, 40))
    assert (acc.grad * acc).sum(1).abs().max() < 1e-3 * (acc.grad.abs() * acc.abs()).sum(1).max()
    assert acc.grad.abs().max() > 0


def test_behind_a_layer_norm_the_gradient_has_no_mean():
    acc = (torch.randn(5, 40) * 300).requires_grad_()
    MaxShift(40, signed=True, norm="layer")(acc, None).backward(torch.randn(5, 40))
    assert acc.grad.mean(1).abs().max() < 1e-6


@requants
def test_a_requantizer_follows_the_slope_of_its_real_function(kind: str):
    """Rounded outputs differ from the line by half a step, so the slope over many steps is the gradient."""
    module = REQUANTS[kind](1, signed=True, **({} if kind == "maxshift" else {"typical": 2000.0})).train()
    module.frozen.fill_(1)
    acc = torch.tensor([[-3000.0], [1000.0]]) if kind != "maxshift" else torch.tensor([[-3000.0, 1000.0]])
    acc.requires_grad_()
    y = module(acc, None)
    y.sum().backward()
    low, high = y.flatten().tolist()
    assert acc.grad.flatten()[0].item() == pytest.approx((high - low) / 4000, rel=0.05)


def exactly_reference(model: nn.Module, x: np.ndarray) -> None:
    graph, taps = lower(model, "net")
    expected, found = reference.run(graph, x), tapped_run(model, taps, x, graph.shapes)
    for name, tensor in expected.items():
        assert np.array_equal(found[name], tensor), name


def mixed(**options) -> nn.Sequential:
    x = raw_samples()
    layers = [BitLinear(30, 40, requant="mulshift", scale="channel", norm="batch", format="nf4", **options)]
    layers += [BitLinear(40, 35, requant="shift", signed=True, format="shift4", **options)]
    layers += [BitLinear(35, 20, requant="maxshift", bits=4, format="sym5", **options)]
    return warm(nn.Sequential(Input((30,)), *layers, BitLinear(20, 7, requant=None, format="int8")), x)


def test_eval_is_the_reference_under_autocast():
    model, x = mixed(), raw_samples()
    with torch.autocast("cpu", torch.bfloat16):
        exactly_reference(model, x)


@pytest.mark.parametrize("precision", ["medium", "high", "highest"])
def test_eval_is_the_reference_at_every_matmul_precision(precision: str):
    model, x = mixed(), raw_samples()
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        exactly_reference(model, x)
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_eval_is_the_reference_with_parameters_of_another_dtype(dtype: torch.dtype):
    exactly_reference(mixed().to(dtype), raw_samples())


def test_eval_is_the_reference_with_half_precision_parameters():
    model = network(30, 40, 10, format="sym4", requant="maxshift")
    exactly_reference(model.half(), raw_samples())


@formats
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("signed", [False, True])
def test_train_and_eval_make_the_same_activations_in_a_maxshift_network(name, bits, signed):
    model = warm(network(30, 50, 40, 10, format=name, bits=bits, signed=signed, norm="rms"), raw_samples())
    seen: dict[str, list[torch.Tensor]] = {"fc1": [], "fc2": [], "fc3": []}
    for path, outputs in seen.items():
        model.get_submodule(path).register_forward_hook(lambda *call, outputs=outputs: outputs.append(call[2]))
    x = torch.as_tensor(raw_samples())
    model.train()(x)
    model.eval()(x)
    for train, evaluated in (seen["fc1"], seen["fc2"]):
        assert train.dtype == torch.float32
        assert np.array_equal(integers(train), integers(evaluated))
    logits, scores = seen["fc3"]
    assert torch.allclose(logits.double(), model.fc3.scores_to_logits(scores), rtol=1e-5)


def test_the_input_rule_is_the_same_in_train_and_eval():
    rule = Input((9, 7), resize=(4, 5), offset=-3, shift=1)
    x = torch.as_tensor(np.random.default_rng(2).integers(0, 256, (50, 9, 7), np.uint8))
    assert np.array_equal(integers(rule.train()(x)), integers(rule.eval()(x)))


@pytest.mark.parametrize(("n_in", "n_out"), [(28, 16), (3, 2), (2, 3), (5, 5), (1, 4), (7, 1), (12, 9)])
def test_area_weights_share_every_input_row_out_completely(n_in: int, n_out: int):
    weights = area_weights(n_in, n_out)
    assert weights.shape == (n_out, n_in)
    assert len(set(weights.sum(1).tolist())) == 1
    assert len(set(weights.sum(0).tolist())) == 1


@pytest.mark.parametrize("name", ["float", "sym4", "ternary", "binary", "nf4"])
def test_a_small_convolutional_network_learns(name: str):
    torch.manual_seed(0)
    x = torch.randint(0, 128, (64, 1, 8, 8)).float()
    y = (x[:, 0, :4].mean((1, 2)) > x[:, 0, 4:].mean((1, 2))).long()
    conv = BitConv2d(1, 8, 3, stride=2, padding=1, format=name, requant="mulshift", norm="batch")
    model = nn.Sequential(conv, nn.Flatten(), BitLinear(8 * 16, 2, requant=None, format=name))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


@formats
def test_a_convolution_in_eval_makes_the_integers_of_the_naive_sum(name: str):
    layer = BitConv2d(4, 6, 3, stride=2, padding=1, groups=2, format=name, requant=None).eval()
    x = np.random.default_rng(3).integers(-127, 128, (2, 4, 7, 6))
    w = integers(layer.levels()).reshape(6, 2, 3, 3)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.zeros((2, 6, 4, 3), np.int64)
    for o, i, j in np.ndindex(6, 4, 3):
        patch = padded[:, 2 * (o // 3) : 2 * (o // 3) + 2, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        expected[:, o, i, j] = (patch * w[o]).sum((1, 2, 3))
    assert np.array_equal(integers(layer(torch.tensor(x))), expected)


def test_centered_weights_are_quantized_around_their_mean():
    layer = BitLinear(50, 4, format="binary", center=True, scale="channel", requant="mulshift")
    with torch.no_grad():
        layer.weight.add_(5.0)
    assert (layer.eval().levels().sum(1).abs() < 50).all()
    plain = BitLinear(50, 4, format="binary")
    plain.weight.data.copy_(layer.weight)
    assert (plain.eval().levels() == 1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "row"}, "scale must be one of tensor, channel, got 'row'"),
        ({"clip": "max"}, "clip must be one of octav, proportional, learned, got 'max'"),
        ({"requant": "scale"}, "requant must be one of maxshift, shift, mulshift, None, got 'scale'"),
        ({"norm": "group"}, "norm must be one of none, rms, l1, layer, batch, got 'group'"),
        ({"bits": 5}, "bits must be one of 8, 4, got '5'"),
        ({"bias": True}, "bias is for the last layer"),
        ({"format": "sym3"}, "unknown weight format 'sym3'"),
    ],
)
def test_a_wrong_option_of_a_layer_is_named_with_the_right_ones(options, message):
    with pytest.raises(HalfbyteError, match=message):
        BitLinear(3, 3, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float32"}, "Input: dtype must be one of uint8, int8, int16, got 'float32'"),
        ({"dtype": "int8", "resize": (2, 2)}, r"Input: resize takes a \(height, width\) uint8 image"),
        ({"shift": 16}, r"Input: shift must be 0\.\.15 and offset int16"),
        ({"offset": 32768}, r"Input: shift must be 0\.\.15 and offset int16"),
    ],
)
def test_a_wrong_option_of_the_input_is_named(options, message):
    with pytest.raises(HalfbyteError, match=message):
        Input((4, 4), **options)


@pytest.mark.parametrize("clip", ["octav", "proportional", "learned"])
def test_what_is_saved_in_the_middle_of_training_is_what_eval_would_be(clip):
    model = network(12, 9, 4, clip=clip, last={"clip": clip}).train()
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    x = torch.randint(0, 128, (16, 12), dtype=torch.uint8)
    for _ in range(5):  # the scale was last fitted before the first
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), torch.arange(16) % 4).backward()
        optimizer.step()
    saved = copy.deepcopy(model.state_dict())
    loaded = network(12, 9, 4, clip=clip, last={"clip": clip}).eval()
    loaded.load_state_dict(saved)
    assert torch.equal(loaded(x), model.eval()(x))


def test_fractions_are_no_raw_values():
    with pytest.raises(HalfbyteError, match="got fractions"):
        Input((2,)).eval()(torch.tensor([[0.5, 1.0]]))
