# SPDX-License-Identifier: Apache-2.0
"""Single weights that are 0 for good: as many as asked, the right ones, and errors absorbed by those that stay."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from support import conv, map_network, network, one_line
from torch import nn

import halfbyte as hb
from training.errors import HalfbyteError
from training.layers import BitConv1d, BitLinear, Input
from training.prune import masks, obs, prune
from training.prune.gradual import prune_least
from training.prune.samples import Samples
from training.prune.scores.wanda import input_rms


def images(n: int = 64, size: int = 8) -> torch.Tensor:
    """Smooth ones: neighbours are alike, so that one weight can stand in for another."""
    rng = np.random.default_rng(1)
    x = rng.normal(60, 30, (n, size + 2, size + 2))
    x = (x[:, 2:, 2:] + x[:, 1:-1, 1:-1] + x[:, :-2, :-2] + x[:, 1:-1, 2:]) / 4
    return torch.as_tensor(np.clip(x, 0, 127).astype(np.uint8))


def small(fmt: str = "int4", **options) -> nn.Sequential:
    return network(64, 20, 16, 10, shape=(8, 8), format=fmt, **options)


def maps(**options) -> nn.Sequential:
    options = {"format": "int4", "requant": "shift"} | options
    return map_network(
        Input((8, 8)), nn.Unflatten(1, (1, 8)), conv(1, 6, **options), conv(6, 6, groups=3, stride=2, **options),
        nn.Flatten(), BitLinear(6 * 16, 3, format="int4", requant=None),
    )  # fmt: skip


def kept(net: nn.Module) -> dict[str, torch.Tensor]:
    return {path: layer.mask for path, layer in masks.layers_of(net).items()}


@pytest.mark.parametrize("score", ["magnitude", "wanda", "fisher"])
@pytest.mark.parametrize("sparsity", [0.0, 0.37, 0.5, 0.9])
def test_exactly_the_fraction_asked_for_is_masked(score, sparsity):
    net = small()
    y = torch.arange(64) % 10
    pruned = prune(net, sparsity, score=score, x=images(), y=y)
    gone = sum(int((~mask).sum()) for mask in kept(net).values())
    assert gone == round(sparsity * 1760)
    assert pruned.weights == gone / 1760
    assert all(not layer.levels()[~layer.mask].any() for layer in masks.layers_of(net).values())
    assert hb.export(net, name="net").verify(images(5)).mismatches == 0


def test_the_smallest_of_all_layers_go_or_as_many_of_each():
    net = small()
    with torch.no_grad():
        net.fc2.weight *= 1000  # a scale of its own: sizes are compared in units of it
    prune(net, 0.5, scope="layer")
    assert [int(mask.sum()) for mask in kept(net).values()] == [640, 160, 80]
    for layer in masks.layers_of(net).values():
        size = layer.weight.abs()
        assert size[layer.mask].min() >= size[~layer.mask].max()
    other = small()
    with torch.no_grad():
        other.fc2.weight *= 1000
    prune(other, 0.5)
    assert 50 < int(other.fc2.mask.sum()) < 270


def test_equal_scores_do_not_go_all_together():
    found = masks.smallest({"a": torch.ones(4, 5), "b": torch.ones(2, 5)}, 0.5, "global")
    assert sum(int((~mask).sum()) for mask in found.values()) == 15


def test_what_was_pruned_before_stays_pruned_whatever_it_learns():
    net = small()
    prune(net, 0.3)
    before = {path: mask.clone() for path, mask in kept(net).items()}
    with torch.no_grad():
        for layer in masks.layers_of(net).values():
            layer.weight[~layer.mask] = 100.0
    prune_least(net, 0.1, "global", "magnitude", None)
    assert all(torch.equal(before[path], mask) for path, mask in kept(net).items())
    prune(net, 0.6)
    assert all(not (mask & ~before[path]).any() for path, mask in kept(net).items())
    assert sum(int((~mask).sum()) for mask in kept(net).values()) == round(0.6 * 1760)


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (3, 8)])
@pytest.mark.parametrize("one_shot", [False, True])
def test_n_of_m_keeps_exactly_n_of_every_m_inputs(n, m, one_shot):
    net = small()
    prune(net, n_of_m=f"{n}:{m}", one_shot=one_shot, x=images())
    for layer in (net.fc1, net.fc2):
        whole = layer.mask[:, : layer.fan_in // m * m].view(layer.out_channels, -1, m)
        assert (whole.sum(2) == n).all()
    if not one_shot:
        blocks, mask = net.fc1.weight.abs().view(20, -1, m), net.fc1.mask.view(20, -1, m)
        assert (blocks.masked_fill(~mask, 9).amin(2) >= (blocks * ~mask).amax(2)).all()


def test_n_of_m_counts_the_channels_of_a_pixel_first_and_the_rest_of_a_row_keeps_n_too():
    net = map_network(
        Input((6, 5, 5), channels="first"), conv(6, 3, 3, format="int4"), nn.Flatten(),
        BitLinear(75, 2, format="int4", requant=None),
    )  # fmt: skip
    prune(net, n_of_m="2:4")
    rows = net[1].mask.view(3, 6, 9).swapaxes(1, 2).reshape(3, 54)  # a pixel's channels side by side
    assert (rows[:, :52].view(3, 13, 4).sum(2) == 2).all()
    assert (rows[:, 52:].sum(1) == 2).all()
    assert (net[3].mask[:, 72:].sum(1) == 2).all()


@torch.no_grad()
def errors(dense: nn.Module, net: nn.Module, samples: Samples) -> dict[str, float]:
    """Mean square by which the sums of every layer differ from those of the dense one, for the same inputs."""
    found = {}
    for path, layer in masks.layers_of(net).items():
        h = obs.gram(net, path, samples)
        real = layer.levels() * layer.clip_scale.double()
        found[path] = float(obs.output_error(layer, h, real, dense.get_submodule(path).weight.double()))
    return found


@pytest.mark.parametrize("make", [small, maps], ids=["linear", "convolutions"])
@pytest.mark.parametrize("how", [{"sparsity": 0.5}, {"n_of_m": "2:4"}], ids=["half", "2:4"])
def test_weights_that_absorb_the_error_leave_less_of_it_in_every_layer(make, how):
    dense, samples = make(), Samples(images(), torch.zeros(64, dtype=torch.int64))
    plain, absorbed = copy.deepcopy(dense), copy.deepcopy(dense)
    prune(plain, scope="layer", **how)
    prune(absorbed, scope="layer", one_shot=True, x=images(), **how)
    before, after = errors(dense, plain, samples), errors(dense, absorbed, samples)
    assert all(after[path] < 0.7 * before[path] for path in before), (before, after)
    assert all(bool(layer.frozen) for layer in masks.layers_of(absorbed).values())
    assert hb.export(absorbed, name="net").verify(images(9)).mismatches == 0


def test_without_pruning_the_rounding_alone_is_absorbed():
    dense, samples = small("ternary"), Samples(images(), torch.zeros(64, dtype=torch.int64))
    rounded, absorbed = copy.deepcopy(dense), copy.deepcopy(dense)
    prune(absorbed, 0.0, one_shot=True, x=images())
    before, after = errors(dense, rounded, samples), errors(dense, absorbed, samples)
    assert after["fc1"] < 0.5 * before["fc1"]


def test_windows_of_a_convolution_are_what_its_rows_are_multiplied_by():
    layers = [conv(4, 6, 3, groups=2, stride=2), BitConv1d(4, 6, 3, padding=1, requant="mulshift")]
    for layer, x in zip(
        layers, (torch.randint(0, 9, (3, 4, 7, 6)).double(), torch.randint(0, 9, (3, 4, 8)).double()), strict=True
    ):
        levels = layer.eval().levels()
        windows = obs._windows(layer, x)  # (groups, n, fan_in)
        sums = torch.cat([w @ part.T for w, part in zip(windows, levels.chunk(layer.groups), strict=True)], 1)
        expected = layer._sums(x, levels).flatten(2).transpose(1, 2).reshape(-1, 6)
        assert torch.equal(sums, expected)


def test_an_input_that_is_never_there_is_worth_nothing_to_wanda():
    net, x = small(), images()
    x[:, :, 3] = 0
    rms = input_rms(net, ["fc1"], Samples(x, torch.zeros(64, dtype=torch.int64)))["fc1"]
    assert torch.allclose(rms, x.flatten(1).double().square().mean(0).sqrt().float(), rtol=1e-5)
    prune(net, 0.2, score="wanda", x=x)
    assert not net.fc1.mask.view(20, 8, 8)[:, :, 3].any()


@pytest.mark.parametrize("fmt", ["binary", "sym2", "sym4", "sym5", "shift4"])
def test_a_format_without_a_0_is_refused_naming_the_layer_and_those_that_can(fmt):
    net = network(16, 8, 4, shape=(4, 4), format="int4", last={"format": fmt})
    with pytest.raises(
        HalfbyteError, match=rf"^fc2: format {fmt} has no level 0, .* use ternary, int4, nf4, int8"
    ) as e:
        prune(net, 0.5)
    assert one_line(str(e.value))
    assert net.fc1.mask is None
    prune(net, 0.3, structured=True)


def test_a_centered_layer_is_refused():
    with pytest.raises(HalfbyteError, match=r"^fc1: center moves every weight away from 0"):
        prune(network(16, 8, 4, shape=(4, 4), format="int4", center=True), 0.5)


def test_a_sparsity_that_would_empty_a_layer_names_the_nearest_that_does_not():
    net = network(8, 4, 2, shape=(8,), format="int4")
    with pytest.raises(HalfbyteError, match=r"^sparsity 0\.99: would empty fc2; the nearest .* weight is 0\.95$"):
        prune(net, 0.99)
    prune(net, 0.95)
    assert all(mask.sum() == 1 for mask in kept(net).values())


def test_a_mask_that_empties_a_layer_is_refused():
    with pytest.raises(HalfbyteError, match=r"^the mask empties the layer of 160 weights; keep one at least$"):
        network(16, 10, 4, shape=(16,), format="int4").fc1.prune(torch.zeros(10, 16, dtype=torch.bool))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give the sparsity"),
        ({"sparsity": 1.0}, "at least 0 and below 1, got 1"),
        ({"sparsity": -0.1}, "at least 0 and below 1, got -0.1"),
        ({"sparsity": 0.5, "n_of_m": "2:4"}, "leave the sparsity out"),
        ({"n_of_m": "4:2"}, "'4:2' is not N:M; expected 2:4"),
        ({"n_of_m": "two"}, "'two' is not N:M"),
        ({"sparsity": 0.5, "score": "l0"}, "score 'l0' is learned for channels"),
        ({"sparsity": 0.5, "scope": "row"}, "scope must be one of global, layer, got 'row'"),
        ({"sparsity": 0.5, "structured": True, "cost": "time"}, "cost must be one of weights, products, got 'time'"),
        ({"sparsity": 0.5, "structured": True, "one_shot": True}, "are for single weights"),
        ({"sparsity": 0.5, "one_shot": True}, "one_shot looks at samples; give it x"),
        ({"sparsity": 0.5, "one_shot": True, "score": "wanda"}, "one-shot has a score of its own"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(options, message):
    net = small()
    y = torch.zeros(64, dtype=torch.int64)
    extra = {"x": images(), "y": y} if options.get("score") else {}
    with pytest.raises(HalfbyteError) as error:
        prune(net, **options, **extra)
    assert message in str(error.value)
    assert one_line(str(error.value))
