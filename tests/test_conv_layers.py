# SPDX-License-Identifier: Apache-2.0
"""Convolutions, poolings, merges and tables: in eval() every integer is that of a plain computation in int64."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from support import integers, named, one_line
from torch import nn

from training import checkpoint
from training.errors import HalfbyteError
from training.formats import FORMATS
from training.layers import (
    FUNCTIONS,
    Activation,
    Add,
    AvgPool1d,
    AvgPool2d,
    BitConv1d,
    BitConv2d,
    BitLinear,
    Concat,
    GlobalAvgPool,
    Input,
)

formats = pytest.mark.parametrize("name", FORMATS)


def signed_map(*shape: int, lo: int = -127) -> np.ndarray:
    """Activations with both extremes among them."""
    x = np.random.default_rng(7).integers(lo, 128, shape)
    x.flat[0], x.flat[-1] = lo, 127
    return x


def pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value, value)


def windows(x: np.ndarray, kernel: tuple, stride: tuple, padding: tuple, outside: int = 0) -> np.ndarray:
    """Every window of a map (n, c, h, w).  # (n, c, h', w', kernel_h, kernel_w)"""
    edges = ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2)
    padded = np.pad(x, edges, constant_values=outside)
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, (2, 3))
    return view[:, :, :: stride[0], :: stride[1]]


def conv_sums(x: np.ndarray, w: np.ndarray, stride: tuple, padding: tuple, groups: int) -> np.ndarray:
    """The sums of a convolution, group by group.  # x (n, c, h, w), w (c', c / groups, kernel_h, kernel_w)"""
    view = windows(x, w.shape[2:], stride, padding)
    parts = zip(np.split(view, groups, 1), np.split(w, groups), strict=True)
    return np.concatenate([np.einsum("ncyxij,ocij->noyx", v, part) for v, part in parts], 1)


def mulshift(acc: np.ndarray, layer: BitConv2d) -> np.ndarray:
    m, b, s = (np.asarray(v)[:, None, None] for v in layer.requant.constants(layer.acc_max(layer.levels())))
    return np.clip((acc * m + b) >> s, layer.requant.lo, layer.requant.hi)


KERNELS = [1, 2, 3, 7, (1, 3), (3, 1), (1, 7), (5, 2), (7, 1)]
CHANNELS = [(1, 3, 1), (4, 6, 1), (4, 6, 2), (5, 5, 5), (3, 9, 3)]  # in, out, groups; the last two are depthwise


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("channels", CHANNELS, ids=str)
def test_a_convolution_of_any_kernel_stride_and_padding_is_the_naive_sum(kernel, channels):
    x = signed_map(2, channels[0], 8, 7)
    for stride, padding in product((1, 2, (2, 1), (1, 3)), (0, 1, (0, 2), (3, 4))):
        layer = BitConv2d(
            *channels[:2], kernel, stride=stride, padding=padding, groups=channels[2], format="int8", requant=None
        ).eval()
        w = integers(layer.kernels(layer.levels()))
        assert np.abs(w).max() > 60
        expected = conv_sums(x, w, pair(stride), pair(padding), channels[2])
        assert np.array_equal(integers(layer(torch.tensor(x))), expected), (stride, padding)


@pytest.mark.parametrize("groups", [1, 3])
def test_a_kernel_larger_than_the_map_fits_with_padding(groups):
    layer = BitConv2d(3, 3, 7, padding=3, groups=groups, requant=None).eval()
    x = signed_map(2, 3, 2, 1)
    expected = conv_sums(x, integers(layer.kernels(layer.levels())), (1, 1), (3, 3), groups)
    assert expected.shape == (2, 3, 2, 1)
    assert np.array_equal(integers(layer(torch.tensor(x))), expected)


def test_sums_beyond_what_float32_can_count_are_exact():
    layer = BitConv2d(64, 2, 7, format="int8", requant=None).eval()
    layer.weight.data.copy_(torch.linspace(0.9, 1, layer.weight.numel()).view_as(layer.weight))
    layer.train().eval()
    x = np.full((1, 64, 7, 8), 127)
    x[..., 0] = 126
    expected = conv_sums(x, integers(layer.kernels(layer.levels())), (1, 1), (0, 0), 1)
    assert not np.array_equal(expected.astype(np.float32), expected)
    assert np.array_equal(integers(layer(torch.tensor(x))), expected)


@formats
@pytest.mark.parametrize("groups", [1, 4])
def test_every_format_convolves_behind_batch_normalization(name, groups):
    layer = BitConv2d(4, 8, 3, padding=1, groups=groups, format=name, requant="mulshift", norm="batch", scale="channel")
    x = signed_map(6, 4, 9, 5, lo=0)
    optimizer = torch.optim.SGD(layer.parameters(), 0.01)
    for _ in range(3):
        layer(torch.tensor(x).float()).square().mean().backward()
        optimizer.step()
    layer.eval()
    acc = conv_sums(x, integers(layer.kernels(layer.levels())), (1, 1), (1, 1), groups)
    y = integers(layer(torch.tensor(x)))
    assert np.array_equal(y, mulshift(acc, layer))
    assert len(np.unique(y)) > 5


def test_batch_normalization_counts_every_pixel_of_a_channel():
    layer = BitConv2d(1, 2, 1, format="int8", requant="mulshift", norm="batch").train()
    x = torch.tensor(signed_map(5, 1, 6, 7, lo=0)).float()
    for _ in range(200):
        layer(x)
    acc = integers(x) * integers(layer.levels()).reshape(1, 2, 1, 1)
    assert layer.requant.mean.tolist() == pytest.approx(acc.mean((0, 2, 3)).tolist(), rel=1e-4)
    assert layer.requant.variance.tolist() == pytest.approx(acc.var((0, 2, 3), ddof=1).tolist(), rel=1e-3)


@pytest.mark.parametrize("kind", ["maxshift", "shift", "mulshift"])
def test_maps_of_every_requantizer_stay_whole_numbers_in_range(kind):
    layer = BitConv2d(2, 5, 3, requant=kind, bits=4, signed=True).eval()
    y = integers(layer(torch.tensor(signed_map(3, 2, 6, 6))))
    assert y.shape == (3, 5, 4, 4)
    assert -15 <= y.min() < 0 < y.max() <= 15


@pytest.mark.parametrize(("stride", "padding", "groups"), [(1, 0, 1), (2, 3, 2), (3, 1, 4)])
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_a_convolution_of_a_series_is_that_of_a_map_one_pixel_high(kernel, stride, padding, groups):
    layer = BitConv1d(4, 8, kernel, stride=stride, padding=padding, groups=groups, requant=None).eval()
    x = signed_map(3, 4, 11)
    w = integers(layer.kernels(layer.levels()))[:, :, None]
    expected = conv_sums(x[:, :, None], w, (1, stride), (0, padding), groups)[:, :, 0]
    assert np.array_equal(integers(layer(torch.tensor(x))), expected)


@pytest.mark.parametrize(
    "context", ["autocast", "medium", "channels_last", "half", "bfloat16", "float64", "onednn_off"]
)
def test_eval_is_the_naive_sum_whatever_the_precision_settings(context):
    layers = [BitConv2d(6, 8, 3, format="sym5", requant=None), BitConv2d(6, 6, 3, groups=6, format="nf4", requant=None)]
    x = torch.tensor(signed_map(2, 6, 9, 9)).float()
    before = torch.get_float32_matmul_precision()
    try:
        for layer in layers:
            layer.eval()
            if context in ("half", "bfloat16", "float64"):
                layer.to(getattr(torch, context))
            if context == "medium":
                torch.set_float32_matmul_precision("medium")
            if context == "channels_last":
                x = x.to(memory_format=torch.channels_last)
            w = integers(layer.kernels(layer.levels()))
            with (
                torch.autocast("cpu", torch.bfloat16, enabled=context == "autocast"),
                torch.backends.mkldnn.flags(enabled=context != "onednn_off"),
            ):
                y = layer(x)
            assert y.dtype == torch.float64
            assert np.array_equal(integers(y), conv_sums(integers(x), w, (1, 1), (0, 0), layer.groups))
    finally:
        torch.set_float32_matmul_precision(before)


# Averages


@pytest.mark.parametrize("kernel", [1, 2, 3, (1, 5), (4, 3)], ids=str)
@pytest.mark.parametrize("lo", [0, -127])
def test_an_average_is_rounded_half_up_and_counts_zeros_outside(kernel, lo):
    x = signed_map(2, 3, 9, 8, lo=lo)
    for stride, padding in product((None, 1, (3, 2)), (0, 1)):
        if padding and 1 in pair(kernel):
            continue
        layer = AvgPool2d(kernel, stride, padding)
        view = windows(x, pair(kernel), pair(stride or kernel), pair(padding))
        expected = np.floor_divide(view.sum((4, 5)) * 2 + np.prod(pair(kernel)), 2 * np.prod(pair(kernel)))
        assert np.array_equal(integers(layer.eval()(torch.tensor(x))), expected)
        assert np.array_equal(integers(layer.train()(torch.tensor(x).float())), expected)


def test_a_half_is_rounded_up_below_zero_too():
    halves = torch.tensor([[[[3.0, -3.0], [0.0, 0.0]]]])
    assert AvgPool2d((2, 1)).eval()(halves).flatten().tolist() == [2, -1]
    assert GlobalAvgPool().eval()(torch.tensor([[[3.0, 0.0], [-3.0, 0.0]]])).tolist() == [[2, -1]]


def test_the_average_of_a_series_is_that_of_an_image_one_pixel_high():
    x = signed_map(2, 3, 10)
    series = AvgPool1d(4, 3, 2).eval()(torch.tensor(x))
    assert torch.equal(series, AvgPool2d((1, 4), (1, 3), (0, 2)).eval()(torch.tensor(x)[:, :, None])[:, :, 0])


@pytest.mark.parametrize("shape", [(5, 7), (8, 8), (13,), (1, 1)])
def test_a_global_average_is_that_of_every_pixel(shape):
    x = signed_map(3, 4, *shape)
    area = int(np.prod(shape))
    expected = np.floor_divide(2 * x.reshape(3, 4, -1).sum(2) + area, 2 * area)
    assert np.array_equal(integers(GlobalAvgPool().eval()(torch.tensor(x))), expected)


def test_the_gradient_of_an_average_is_that_of_the_mean():
    x = torch.tensor(signed_map(1, 1, 4, 4)).float().requires_grad_()
    AvgPool2d(2)(x).sum().backward()
    assert x.grad.unique().tolist() == [0.25]
    y = torch.tensor(signed_map(1, 1, 4, 4)).float().requires_grad_()
    GlobalAvgPool()(y).sum().backward()
    assert y.grad.unique().tolist() == [1 / 16]


# Merges


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("signed", [False, True])
def test_a_residual_sum_is_that_of_the_integer_multipliers(bits, signed):
    a, b = signed_map(2, 3, 4, 5), signed_map(2, 3, 4, 5)[::-1].copy()
    layer = Add(bits=bits, signed=signed)
    layer.gain.data = torch.tensor([0.7501, -1.318])
    m = [3072, -5399]  # 0.7501 * 4096 = 3072.4; -1.318 * 4096 = -5398.5: half up
    hi = 127 if bits == 8 else 15
    expected = np.clip((a * m[0] + b * m[1] + 2048) >> 12, -hi if signed else 0, hi)
    assert layer.multipliers().tolist() == m
    assert np.array_equal(integers(layer.eval()(torch.tensor(a), torch.tensor(b))), expected)
    assert np.array_equal(integers(layer.train()(torch.tensor(a).float(), torch.tensor(b).float())), expected)


def test_a_concatenation_scales_every_input_by_its_own_multiplier():
    parts = [signed_map(2, c, 3, 4) for c in (1, 4, 2)]
    layer = Concat(signed=True, inputs=3)
    layer.gain.data = torch.tensor([1.0, 0.33, 100.0])
    m = [4096, 1352, 32767]  # the last one is as large as an int16 gets
    expected = [np.clip((x * g + 2048) >> 12, -127, 127) for x, g in zip(parts, m, strict=True)]
    assert np.array_equal(integers(layer.eval()(*map(torch.tensor, parts))), np.concatenate(expected, 1))


@pytest.mark.parametrize("layer", [Add(), Concat()])
def test_gains_learn(layer):
    a, b = (torch.tensor(signed_map(2, 3, 4, 5, lo=0)).float().requires_grad_() for _ in range(2))
    layer(a, b).sum().backward()
    assert layer.gain.grad.abs().min() > 0
    assert a.grad.abs().max() > 0


# Tables


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("signed_in", [False, True])
def test_a_function_is_its_table_and_the_table_its_rounded_values(function, signed_in):
    layer = Activation(function, unit_in=25.4, signed_in=signed_in)
    x = torch.arange(-127 if signed_in else 0, 128)[None]
    table = layer.table()
    assert table.dtype == torch.int8
    assert torch.equal(layer.eval()(x)[0], table.double())
    real = FUNCTIONS[function].of(x[0].double() / 25.4) * (127 if FUNCTIONS[function].bounded else 25.4)
    real = real.clamp(layer.lo, layer.hi)
    assert (table - real).abs().max() <= 0.5 + 1e-9
    trained = layer.train()(x.float())[0]
    half = (real % 1 - 0.5).abs() < 1e-4
    assert torch.equal(trained[~half], table[~half].float())
    assert (trained - table).abs().max() <= 1
    assert len(table.unique()) > 3


def test_the_gradient_of_a_table_is_that_of_its_function():
    x = torch.tensor([-100.0, -20.0, 0.0, 30.0], requires_grad=True)
    Activation("tanh", unit_in=32)(x).sum().backward()
    expected = (1 - torch.tanh(x.detach() / 32) ** 2) * 127 / 32
    assert torch.allclose(x.grad, expected)


def test_relu_and_relu6_clip():
    x = torch.arange(-127, 128)
    assert torch.equal(Activation("relu6", unit_in=10).eval()(x), x.clamp(0, 60).double())
    assert torch.equal(nn.ReLU()(x.double()), x.clamp(min=0).double())


# The input


def test_channels_come_out_first():
    x = torch.as_tensor(signed_map(2, 4, 5, 3, lo=0).astype(np.uint8))
    first = Input((3, 4, 5), channels="first").eval()
    last = Input((4, 5, 3), channels="last").eval()
    assert first.out_shape == last.out_shape == (3, 4, 5)
    assert torch.equal(last(x), first(x.movedim(3, 1)))
    assert Input((4, 3), channels="last").eval()(x[:, :, 0].clone()).shape == (2, 3, 4)


# Networks


def small() -> nn.Sequential:
    options = {"requant": "mulshift", "norm": "batch"}
    return named(
        input=Input((10, 10), shift=1),
        map=nn.Unflatten(1, (1, 10)),
        conv1=BitConv2d(1, 6, 3, padding=1, **options),
        pool1=nn.MaxPool2d(2),
        conv2=BitConv2d(6, 6, 3, groups=6, format="ternary", **options),
        pool2=GlobalAvgPool(),
        fc1=BitLinear(6, 3, requant=None),
    )


def test_a_network_learns_saves_and_loads_to_the_same_integers(tmp_path):
    x = torch.as_tensor(signed_map(64, 10, 10, lo=0).astype(np.uint8))
    x[:32, 3:6], x[32:, :, 2:5] = 255, 255
    y = torch.arange(64) // 32
    model = small().train()
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    losses = []
    for _ in range(25):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    checkpoint.save(tmp_path / "c.safetensors", model.state_dict(), {})
    tensors, _ = checkpoint.load(tmp_path / "c.safetensors")
    again = small()
    checkpoint.restore(again, tensors, tmp_path)
    scores = model.eval()(x)
    assert torch.equal(again(x), scores)
    assert float((scores.argmax(1) == y).float().mean()) > 0.9


# Errors


def refused(make, message: str) -> None:
    with pytest.raises(HalfbyteError, match=message) as caught:
        make()
    assert one_line(str(caught.value))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BitConv2d(4, 6, 8), r"BitConv2d: kernel_size must be one whole number or 2, each from 1 to 7, got 8"),
        (lambda: BitConv2d(4, 6, 0), r"kernel_size .* from 1 to 7, got 0"),
        (lambda: BitConv2d(4, 6, (3, 3, 3)), r"kernel_size .* got \(3, 3, 3\)"),
        (lambda: BitConv2d(4, 6, 3.0), r"kernel_size .* got 3\.0"),
        (lambda: BitConv1d(4, 6, (3, 3)), r"BitConv1d: kernel_size must be a whole number from 1 to 7, got \(3, 3\)"),
        (lambda: BitConv2d(4, 6, 3, stride=0), r"stride .* from 1 to 255, got 0"),
        (lambda: BitConv2d(4, 6, 3, padding=-1), r"padding .* from 0 to 255, got -1"),
        (lambda: BitConv2d(4, 6, 3, padding="same"), r"padding .* got 'same'"),
        (
            lambda: BitConv2d(4, 6, 3, groups=4),
            r"BitConv2d: groups must divide the channels, got 4 for 4 -> 6 channels",
        ),
        (lambda: BitConv2d(0, 6, 3), r"in_channels must be a whole number from 1"),
        (lambda: AvgPool2d(0), r"AvgPool2d: kernel_size .* from 1 to 255, got 0"),
        (lambda: AvgPool2d(2, padding=2), r"AvgPool2d: padding may be half the kernel, got padding \(2, 2\)"),
        (lambda: Activation("swish", unit_in=3), r"Activation: function must be one of elu, .* got 'swish'"),
        (lambda: Activation("tanh", unit_in=0), r"Activation: unit_in must be a positive number, got 0"),
        (lambda: Concat(inputs=1), r"Concat: inputs must be a whole number from 2 up, got 1"),
        (lambda: Input((4, 4), channels="middle"), r"Input: channels must be first, last or None, got 'middle'"),
        (lambda: Input((4,), channels="last"), r"Input: channels='last' takes a shape of 2 or 3 sizes, got \(4,\)"),
        (lambda: Input((4, 4), channels="last", resize=(2, 2)), r"got uint8 \(4, 4\) with channels='last'"),
    ],
)
def test_a_wrong_option_is_named(make, message):
    refused(make, message)


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (BitConv2d(4, 6, 3), [(2, 3, 7, 6)], r"BitConv2d: takes \(n, 4, height, width\), got \(2, 3, 7, 6\)"),
        (BitConv2d(4, 6, 3), [(4, 7, 6)], r"BitConv2d: takes \(n, 4, height, width\), got \(4, 7, 6\)"),
        (BitConv1d(4, 6, 3), [(1, 4, 7, 6)], r"BitConv1d: takes \(n, 4, length\), got \(1, 4, 7, 6\)"),
        (
            BitConv2d(4, 6, (5, 1), padding=(0, 9)),
            [(2, 4, 4, 4)],
            r"kernel \(5, 1\) is larger than the map \(4, 4\) with padding \(0, 9\); use \(4, 1\) at most",
        ),
        (AvgPool2d(3), [(1, 1, 2, 3)], r"AvgPool2d: kernel \(3, 3\) is larger than the map \(2, 3\)"),
        (AvgPool1d(3), [(1, 3)], r"AvgPool1d: takes \(n, channels, length\), got \(1, 3\)"),
        (GlobalAvgPool(), [(1, 3)], r"GlobalAvgPool: takes a map \(n, channels, \.\.\.\), got \(1, 3\)"),
        (Add(), [(1, 2, 3, 3), (1, 2, 3, 4)], r"Add: takes inputs of one shape, got \(1, 2, 3, 3\) and \(1, 2, 3, 4\)"),
        (
            Concat(),
            [(1, 2, 3), (1, 2, 4)],
            r"Concat: takes inputs that differ in their channels alone, got \(1, 2, 3\)",
        ),
        (Concat(), [(1, 2, 3)], r"Concat: takes 2 inputs, got 1: \(1, 2, 3\)"),
    ],
)
def test_maps_that_do_not_fit_are_named_with_their_shapes(layer, shapes, message, mode):
    layer.train(mode)
    refused(lambda: layer(*(torch.zeros(shape) for shape in shapes)), message)


def test_a_table_refuses_activations_it_has_no_entry_for():
    layer = Activation("gelu", unit_in=32, signed_in=False).eval()
    refused(lambda: layer(torch.tensor([-3.0, 7.0])), r"Activation: takes 0 to 127, got -3 to 7; see signed_in")
