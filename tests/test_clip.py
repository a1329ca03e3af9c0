# SPDX-License-Identifier: Apache-2.0
"""Clip scales: as good as a brute-force scan, a pure function of the weights, updated before eval() and not by it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from training.clip import CLIPS, GAUSSIAN_RATIO, find_gaussian_ratio, octav, proportional
from training.formats import FORMATS, Format
from training.layers import BitLinear, freeze_clip
from training.quantize import nearest_level

all_formats = pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda fmt: fmt.name)
# over the best: with many levels the error has many local minima, and a grid of 4 % steps misses the lowest
SLACK = {"int4": 1.01, "sym5": 1.03, "int8": 1.04}
N = 4000


def draws(name: str, n: int = N, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    draw = {"gauss": rng.standard_normal, "laplace": lambda size: rng.laplace(size=size)}
    return torch.tensor(draw.get(name, lambda size: rng.uniform(-1, 1, size))(n), dtype=torch.float32)


def error(w: Tensor, scale: Tensor | float, fmt: Format) -> float:
    return float((nearest_level(w / scale, fmt) * scale - w).double().square().mean())


def best_error(w: Tensor, fmt: Format) -> float:
    """The least mean squared error of any scale, by trying 1500 of them."""
    scales = torch.logspace(-2, 1.3, 1500) * w.abs().max() / fmt.max_level
    return min(error(w, scale, fmt) for scale in scales)


@all_formats
@pytest.mark.parametrize("distribution", ["gauss", "laplace", "uniform"])
def test_octav_is_within_half_a_percent_of_the_best_scale_there_is(fmt: Format, distribution: str):
    w = draws(distribution)
    assert error(w, octav(w[None], fmt), fmt) <= SLACK.get(fmt.name, 1.005) * best_error(w, fmt)


@all_formats
def test_octav_per_channel_finds_every_channel_its_own_best_scale(fmt: Format):
    rows = [0.01 * draws("gauss", 600, 1), 30 * draws("laplace", 600, 2), draws("uniform", 600, 3) + 0.2]
    scales = octav(torch.stack(rows), fmt)
    assert scales.shape == (3, 1)
    for w, scale in zip(rows, scales, strict=True):
        assert error(w, scale, fmt) <= max(1.01, SLACK.get(fmt.name, 0) + 0.03) * best_error(w, fmt)


def test_octav_of_more_weights_than_it_samples_is_as_good():
    w, fmt = draws("gauss", 30_000), FORMATS["sym4"]
    assert error(w, octav(w[None], fmt), fmt) <= 1.005 * best_error(w, fmt)


def newton_clip(w: np.ndarray, bits: int) -> float:
    """OCTAV as the paper has it (arXiv 2206.06501, equation 6), for signed uniform quantization."""
    size = np.abs(w)
    clip = size.mean()
    for _ in range(50):
        outside = size > clip
        clip = size[outside].sum() / ((4.0**-bits / 3) * (~outside & (size > 0)).sum() + outside.sum())
    return float(clip)


@pytest.mark.parametrize(("name", "half_levels"), [("int4", 8), ("sym4", 16)])
@pytest.mark.parametrize("distribution", ["gauss", "laplace"])
def test_octav_of_uniform_4_bit_levels_agrees_with_the_newton_iteration_of_the_paper(name, half_levels, distribution):
    w = draws(distribution, 20_000)
    clip = float(octav(w[None], FORMATS[name])) * half_levels
    assert abs(clip / newton_clip(w.double().numpy(), 4) - 1) < 0.12


@all_formats
@pytest.mark.parametrize("clip", CLIPS)
def test_a_scale_is_a_function_of_the_weights_and_follows_their_size_exactly(fmt: Format, clip: str):
    w = draws("gauss", 500)[None]
    scale = CLIPS[clip](w, fmt)
    assert torch.equal(CLIPS[clip](w.clone(), fmt), scale)
    assert torch.equal(CLIPS[clip](w * 2**-9, fmt), scale * 2**-9)


@all_formats
def test_the_proportional_scale_is_right_for_normal_weights(fmt: Format):
    w = draws("gauss", 20_000)
    assert error(w, proportional(w[None], fmt), fmt) <= (1.2 if fmt.name == "int8" else 1.05) * best_error(w, fmt)
    assert math.isclose(find_gaussian_ratio(fmt), GAUSSIAN_RATIO[fmt.name], rel_tol=1e-6)


@all_formats
@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("value", [0.0, 1e-30, 1.0, 1e30])
def test_constant_weights_have_a_finite_positive_scale_and_legal_levels(fmt: Format, clip: str, value: float):
    scale = CLIPS[clip](torch.full((2, 7), value), fmt)
    assert torch.isfinite(scale).all()
    assert (scale > 0).all()
    assert set(nearest_level(torch.full((2, 7), value) / scale, fmt).ravel().tolist()) <= set(fmt.levels)


def changed(layer: BitLinear) -> None:
    with torch.no_grad():
        layer.weight.mul_(torch.linspace(0.2, 3, layer.weight.numel()).view_as(layer.weight))


@pytest.mark.parametrize("clip", ["octav", "proportional"])
@pytest.mark.parametrize("scale", ["tensor", "channel"])
def test_the_scale_is_updated_on_the_way_into_eval_and_never_in_it(clip: str, scale: str):
    layer = BitLinear(9, 5, clip=clip, scale=scale, requant="mulshift")
    changed(layer)
    before = layer.clip_scale.clone()
    fitted = layer.eval().clip_scale.clone()
    assert not torch.equal(fitted, before)
    assert torch.equal(fitted, CLIPS[clip](layer._grouped(), layer.fmt))
    changed(layer)
    layer.eval()
    layer(torch.zeros(2, 9))
    layer.eval()
    assert torch.equal(layer.clip_scale, fitted)
    layer.train()
    assert torch.equal(layer.clip_scale, fitted)
    layer.eval()
    assert not torch.equal(layer.clip_scale, fitted)


def test_entering_eval_twice_changes_nothing():
    layer = BitLinear(9, 5)
    first = layer.eval().clip_scale.clone()
    assert torch.equal(layer.train().eval().clip_scale, first)


def test_a_frozen_scale_stays_through_training_and_evaluation():
    layer = BitLinear(9, 5)
    changed(layer)
    freeze_clip(layer)
    frozen = layer.clip_scale.clone()
    for _ in range(3):
        changed(layer)
        layer.train()(torch.ones(4, 9))
        layer.eval()(torch.ones(4, 9))
    assert torch.equal(layer.clip_scale, frozen)


def test_a_learned_scale_moves_with_its_gradient_and_stops_when_frozen():
    layer = BitLinear(9, 5, clip="learned", requant=None)
    layer.train()(torch.ones(4, 9)).square().sum().backward()
    assert layer.log_scale.grad.abs() > 0
    with torch.no_grad():
        layer.log_scale.add_(0.5)
    scale = layer.eval().clip_scale.clone()
    assert torch.equal(scale, layer.log_scale.detach().exp())
    freeze_clip(layer)
    layer.train()(torch.ones(4, 9)).sum().backward()
    assert not layer.log_scale.requires_grad
    assert torch.equal(layer.eval().clip_scale, scale)
