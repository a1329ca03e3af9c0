# SPDX-License-Identifier: Apache-2.0
"""Self-compression: rows of learned bits are int8 levels, their size is what is stored, rows without any are gone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support import integers, map_network, network, one_line

from exporter import runs
from exporter.export import export
from training import checkpoint, compress, models
from training.errors import HalfbyteError
from training.layers import BitConv2d, BitLinear
from training.layers.rowbits import RowBits, row_range
from training.loop import Epoch, train
from training.recipe import check_recipe

DIGITS = {
    "name": "digits",
    "data": "digits",
    "model": {"format": "int8", "norm": "rms", "layers": [{"linear": 24}, {"linear": 12}]},
    "train": {"epochs": 5, "batch": 64},
}


def recipe(gamma=0.5, **changes):
    settings = {"gamma": gamma, "lr": 0.1, "end": 0.6, **changes.pop("compress", {})}
    train_ = {**DIGITS["train"], **changes.pop("train", {})}
    return check_recipe({**DIGITS, **changes, "train": train_, "compress": settings}, "test")


def set_bits(layer, bits) -> None:
    layer.row_bits.bits.data.copy_(torch.as_tensor(bits, dtype=torch.float32))
    layer.update_clip()


def stored(model) -> int:
    """Bits of the weights, row by row, and 8 for every row, of the layers as they are."""
    return sum(
        int(bits) * layer.fan_in + compress.HEAD
        for layer in compress.weighted(model).values()
        for bits in layer.row_bits.whole
    )


@pytest.mark.parametrize("scale", ["tensor", "channel"])
def test_levels_of_a_row_of_b_bits_are_b_bit_integers_times_a_power_of_two(scale):
    layer = BitLinear(50, 90, format="int8", scale=scale, requant="mulshift" if scale == "channel" else "maxshift")
    layer.learn_bits()
    with torch.no_grad():
        layer.weight *= torch.exp2(torch.randint(-4, 4, (90, 1)))
    set_bits(layer, np.arange(90) % 9)
    levels, bits, k = integers(layer.levels()), layer.row_bits.whole.numpy(), layer.row_bits.exponent.numpy()
    assert np.array_equal(bits, np.arange(90) % 9)
    assert np.abs(levels).max() <= 127
    c = levels >> k[:, None]
    assert np.array_equal(c << k[:, None], levels)
    assert np.all(c >= -(2.0 ** (bits - 1))[:, None])
    assert np.all(c[bits > 0] <= (2 ** (bits[bits > 0] - 1) - 1)[:, None])
    assert not levels[bits == 0].any()
    assert (scale == "channel") == (not k.any())


def test_training_and_eval_use_the_same_levels():
    layer = BitLinear(40, 30, format="int8")
    layer.learn_bits()
    set_bits(layer, np.linspace(0, 8, 30))
    layer.train()
    assert torch.equal(layer._trained_levels().double(), layer.levels())


def test_the_clip_scale_and_exponents_have_the_least_error_of_all_there_are():
    """Against every exponent of every row, at the scale that was found and at twice and half of it."""
    w = torch.randn(12, 64) * torch.exp2(torch.arange(12)[:, None] / 4 - 2)
    rows = RowBits(12)
    rows.bits.data = torch.tensor([2.0, 3, 4, 5, 6, 7] * 2)
    scale = float(rows.fit(w, by_row=False))

    def error(at: float) -> torch.Tensor:
        found = []
        for k in range(7):
            allowed = rows.whole + k <= 8
            low, high = row_range(rows.whole, torch.full_like(rows.whole, k))
            q = (w / at / 2**k + 0.5).floor().clamp(low[:, None], high[:, None]) * at * 2**k
            found.append((q - w).square().sum(1).where(allowed, torch.tensor(torch.inf)))
        return torch.stack(found)

    best = error(scale)
    assert torch.equal(best.min(0).indices.int(), rows.exponent)
    assert best.min(0).values.sum() < 1.02 * min(error(scale * f).min(0).values.sum() for f in (0.25, 0.5, 0.7, 1.4, 2))


def test_a_bit_more_or_less_moves_the_weights_as_the_gradient_says():
    """The derivative of q with respect to the bits is -ln 2 times the error: down with the error, not with the sign."""
    rows = RowBits(1)
    rows.bits.data.fill_(4)
    z = torch.tensor([[1.2, -2.7, 5.4]], requires_grad=True)
    rows.whole.fill_(4)
    q = rows(z)
    (q * torch.tensor([[1.0, 10.0, 100.0]])).sum().backward()
    expected = -np.log(2) * (1 * (1 - 1.2) + 10 * (-3 + 2.7) + 100 * (5 - 5.4))
    assert float(rows.bits.grad) == pytest.approx(expected, rel=1e-5)
    assert torch.equal(z.grad, torch.tensor([[1.0, 10.0, 100.0]]))


def test_bits_and_exponents_do_not_flicker():
    """A row keeps its bits until they are a quarter beyond the half, its exponent where another is hardly better."""
    layer = BitLinear(64, 4, format="int8")
    layer.learn_bits()
    for bits, whole in ((4.0, 4), (3.4, 4), (3.2, 3), (3.6, 3), (3.8, 4), (4.6, 4)):
        set_bits(layer, [bits] * 4)
        assert layer.row_bits.whole.tolist() == [whole] * 4
    before = layer.row_bits.exponent.clone(), (layer.clip_scale / layer.weight.abs().max()).item()
    with torch.no_grad():
        layer.weight[:, 1:] *= 1.03
        layer.update_clip()
    assert torch.equal(layer.row_bits.exponent, before[0])
    assert (layer.clip_scale / layer.weight.abs().max()).item() == pytest.approx(before[1])


def test_the_size_in_the_loss_is_the_size_that_is_stored_when_rows_without_bits_are_gone():
    made = recipe()
    model = models.build(made, (8, 8), "uint8", 10)
    compress.begin(model)
    assert compress.stored_bits(model).item() == stored(model) == 8 * (64 * 24 + 24 * 12 + 12 * 10) + 8 * (24 + 12 + 10)
    set_bits(model.fc1, np.arange(24) % 6)
    set_bits(model.fc2, [0, 1, 0, 2, 3, 4, 5, 6, 7, 0, 8, 0])
    cut, small = compress.without_dead_rows(model, made)
    assert [layer.linear for layer in small.model.layers] == [20, 8]
    rebuilt = models.build(small, (8, 8), "uint8", 10)
    checkpoint.restore(rebuilt, cut.state_dict(), Path("memory"))
    assert compress.stored_bits(model).item() == stored(rebuilt) < stored(model)


def test_the_price_of_a_bit_is_what_it_takes_of_every_input_that_is_left():
    model = models.build(recipe(), (8, 8), "uint8", 10)
    compress.begin(model)
    set_bits(model.fc1, [0.2] * 4 + [0.7] * 2 + [3] * 18)
    compress.stored_bits(model).backward()
    grad = model.fc1.row_bits.bits.grad
    columns = 8 * 12  # bits of what takes an output of fc1
    assert grad.tolist() == [64 + 8 + columns] * 6 + [64] * 18
    assert model.fc2.row_bits.bits.grad.tolist() == [20] * 12


def test_the_cost_in_products_is_what_a_convolution_multiplies_by_the_channels_that_are_left():
    layers = [{"conv": 6, "padding": 1}, {"maxpool": 2}, {"linear": 12}]
    model = models.build(
        recipe(model={**DIGITS["model"], "requant": "maxshift", "layers": layers}), (8, 8), "uint8", 10
    )
    compress.begin(model)
    assert compress.products(model).item() == 6 * 9 * 64 + 6 * 16 * 12 + 120
    set_bits(model.conv1, [0, 4, 4, 0, 1, 8])
    set_bits(model.fc1, [0] * 3 + [5] * 9)
    cost = compress.products(model)
    assert cost.item() == 4 * 9 * 64 + 4 * 16 * 9 + 9 * 10
    cost.backward()
    assert model.fc1.row_bits.bits.grad[-1].item() == (4 * 16 + 10) / 8


def test_cost_in_products_makes_a_network_narrower(tmp_path):
    model = train(recipe(gamma=3.0, compress={"cost": "products"}, train={"epochs": 12}), tmp_path / "run")
    assert model.fc1.out_channels < 24


@pytest.mark.parametrize("convolutional", [False, True])
def test_without_its_dead_rows_a_network_makes_the_same_integers(convolutional, tmp_path, rng):
    layers = (
        [{"conv": 6, "padding": 1}, {"maxpool": 2}, {"linear": 12}]
        if convolutional
        else [{"linear": 24}, {"linear": 12}]
    )
    made = recipe(model={**DIGITS["model"], "requant": "maxshift", "layers": layers})
    model = models.build(made, (8, 8), "uint8", 10)
    compress.begin(model)
    for layer in list(compress.weighted(model).values())[:-1]:
        set_bits(layer, (np.arange(layer.out_channels) * 3) % 7)
    cut, small = compress.without_dead_rows(model, made)
    rebuilt = models.build(small, (8, 8), "uint8", 10)
    checkpoint.restore(rebuilt, cut.state_dict(), Path("memory"))
    assert rebuilt.get_submodule("fc1").weight.numel() < model.get_submodule("fc1").weight.numel()
    x = torch.as_tensor(rng.integers(0, 256, (40, 8, 8)), dtype=torch.uint8)
    model.eval()
    expected = model(x)
    assert expected.any()
    assert torch.equal(rebuilt(x), expected)
    exported = export(rebuilt, "small", out=tmp_path)
    assert exported.verify(x).mismatches == 0
    assert np.array_equal(exported.predict(x), integers(expected).argmax(1))


def test_a_run_keeps_the_network_without_dead_rows_and_its_accuracy(tmp_path):
    model = train(recipe(gamma=3.0, train={"epochs": 12}), tmp_path / "run")
    run = runs.load_run(tmp_path / "run")
    widths = [layer.linear for layer in run.recipe.model.layers]
    assert widths == [model.fc1.out_channels, model.fc2.out_channels]
    assert min(widths) >= 1
    assert widths < [24, 12]
    assert stored(run.model) == compress.stored_bits(run.model).item() < 0.5 * 8 * (64 * 24 + 24 * 12 + 12 * 10)
    assert run.metadata["epoch"] > 7  # not before the bits are settled
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), run.model.state_dict().values(), strict=True)
    )


def test_what_was_compressed_before_goes_on_with_the_bits_it_has():
    model = models.build(recipe(), (8, 8), "uint8", 10)
    compress.begin(model)
    set_bits(model.fc1, [3] * 24)
    compress.begin(model)
    assert model.fc1.row_bits.whole.tolist() == [3] * 24


def test_bits_of_price_zero_are_all_kept(tmp_path):
    model = train(recipe(gamma=0.0), tmp_path / "run")
    assert all(layer.row_bits.whole.eq(8).all() for layer in compress.weighted(model).values())
    assert [model.fc1.out_channels, model.fc2.out_channels] == [24, 12]


def test_bits_stay_as_they_are_before_they_begin_and_after_they_end(tmp_path):
    seen = []
    made = recipe(compress={"begin": 0.4, "end": 0.6})
    models_ = []

    def progress(event):
        if isinstance(event, Epoch):
            seen.append(
                torch.cat([layer.row_bits.bits.detach().clone() for layer in compress.weighted(models_[0]).values()])
            )

    train(made, tmp_path / "run", check=models_.append, progress=progress)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])
    assert torch.equal(seen[2], seen[3])
    assert torch.equal(seen[3], seen[4])


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_an_interrupted_run_learns_the_same_bits(average, tmp_path):
    made = recipe(train={"average": average, "threads": 2})
    train(made, tmp_path / "whole")

    class Stop(Exception):  # noqa: N818 (it is none)
        pass

    def stop(event):
        if isinstance(event, Epoch) and event.epoch == 2:
            raise Stop

    with pytest.raises(Stop):
        train(made, tmp_path / "parts", progress=stop)
    train(made, tmp_path / "parts", resume=True)
    assert (tmp_path / "whole" / "checkpoint.safetensors").read_bytes() == (
        tmp_path / "parts" / "checkpoint.safetensors"
    ).read_bytes()


def test_a_price_beyond_all_measure_leaves_a_row_in_every_layer(tmp_path):
    model = train(recipe(gamma=1000.0, train={"epochs": 10}), tmp_path / "run")
    assert [model.fc1.out_channels, model.fc2.out_channels, model.fc3.out_channels] == [1, 1, 10]
    export(model, "least", out=tmp_path / "c")


def test_behind_batch_normalization_no_row_goes_and_the_others_are_exact(tmp_path, rng):
    """There a row of zeros makes a constant, which the next layer needs."""
    options = {"format": "int8", "scale": "channel", "norm": "batch"}
    model = map_network(*network(16, 16, shape=(4, 4))[:1], torch.nn.Unflatten(1, (1, 4)))
    model = torch.nn.Sequential(
        *model,
        BitConv2d(1, 5, 3, requant="mulshift", **options),
        torch.nn.Flatten(),
        BitLinear(20, 3, format="int8", requant=None),
    )
    compress.begin(model)
    assert compress.followers(model) == {}
    set_bits(model[2], [-1, 0, 1, 2, 3])
    assert model[2].row_bits.whole.tolist() == [1, 1, 1, 2, 3]
    x = torch.as_tensor(rng.integers(0, 128, (20, 4, 4)), dtype=torch.uint8)
    model.train()
    model(x)
    assert export(model.eval(), "maps", out=tmp_path).verify(x).mismatches == 0


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"format": "sym4"}, "fc1: rows with bits of their own are int8, .* found format sym4"),
        ({"clip": "learned"}, "fc1: .* found format int8, clip learned"),
        ({"center": True}, "fc1: .* center"),
        ({"last": {"format": "int4"}}, "fc3: .* found format int4"),
    ],
)
def test_layers_that_cannot_learn_bits_are_refused_in_one_line(model, words, tmp_path):
    with pytest.raises(HalfbyteError, match=words) as caught:
        train(recipe(model={**DIGITS["model"], **model}), tmp_path / "run")
    assert one_line(str(caught.value))
