# SPDX-License-Identifier: Apache-2.0
"""Fused batch normalization: values and gradients are those of torch's own, in every memory format and chunk size."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from training import batchnorm
from training.batchnorm import EPSILON, grad_inside, normalize_round_clamp

SHAPES = [(9, 5), (4, 3, 7), (5, 4, 3, 2), (3, 1, 4, 4), (16, 6, 1, 1)]


def plain(acc: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, lo: int, hi: int) -> torch.Tensor:
    """The same with torch's batch normalization and a straight-through estimator."""
    z = functional.batch_norm(acc, None, None, gamma, beta, training=True, eps=EPSILON)
    inside = z.clamp(lo, hi)
    return inside + (torch.floor(z + 0.5).clamp(lo, hi) - inside).detach()


@pytest.mark.parametrize("cache", [1, 50, 1 << 18])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("pixels_together", [False, True])
def test_values_and_gradients_are_those_of_torch(shape, pixels_together, cache, monkeypatch):
    monkeypatch.setattr(batchnorm, "CACHE", cache)
    memory = torch.channels_last if pixels_together and len(shape) == 4 else torch.contiguous_format
    results = []
    for function in (plain, lambda *args: normalize_round_clamp(*args)[0]):
        torch.manual_seed(3)
        acc = (torch.randn(shape) * 300 + 100).round().to(memory_format=memory).requires_grad_()
        gamma = (torch.rand(shape[1]) * 40 + 20).requires_grad_()
        beta = (torch.randn(shape[1]) * 20).requires_grad_()
        y = function(acc, gamma, beta, -20, 25)
        (y * torch.randn(shape)).sum().backward()
        results.append((y.detach(), acc.grad, gamma.grad, beta.grad))
    (y, *grads), (y_fused, *grads_fused) = results
    assert torch.equal(y, y_fused)
    assert {-20.0, 25.0} < set(y.unique().tolist())
    for expected, found in zip(grads, grads_fused, strict=True):
        scale = grads[0].abs().max() if expected is grads[0] else expected.abs().max()
        assert torch.allclose(expected, found, rtol=1e-3, atol=float(2e-4 * scale))


def test_statistics_are_those_of_the_batch_and_exact_for_large_means():
    acc = torch.randint(-1000, 1000, (64, 3, 5, 5)).float() + 20000
    _, mean, variance = normalize_round_clamp(acc, torch.ones(3), torch.zeros(3), 0, 127)
    assert torch.allclose(mean, acc.double().mean((0, 2, 3)), rtol=1e-6)
    assert torch.allclose(variance, acc.double().var((0, 2, 3), correction=0), rtol=1e-3)


def test_a_channel_without_variance_stays_finite():
    acc = torch.full((4, 2, 3, 3), 70000.0, requires_grad=True)
    y, _, variance = normalize_round_clamp(acc, torch.ones(2), torch.full((2,), 5.0), 0, 127)
    assert torch.isfinite(y).all()
    assert (variance >= 0).all()
    y.sum().backward()
    assert torch.isfinite(acc.grad).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(value):
    acc = torch.zeros(4, 2, 3, 3)
    acc[0, 0, 0, 0] = value
    assert not torch.isfinite(normalize_round_clamp(acc, torch.ones(2), torch.zeros(2), 0, 127)[0]).all()


def test_sums_of_half_precision_are_normalized_in_single_precision():
    acc = (torch.randn(64, 3, 8, 8) * 300).round()
    expected = normalize_round_clamp(acc.bfloat16().float(), torch.ones(3) * 30, torch.zeros(3), 0, 127)[0]
    assert torch.equal(normalize_round_clamp(acc.bfloat16(), torch.ones(3) * 30, torch.zeros(3), 0, 127)[0], expected)


def test_the_ends_of_the_range_are_inside():
    z = torch.tensor([-1e-3, 0.0, 60.0, 127.0, 127.001])
    assert grad_inside(torch.ones(5), z, 0, 127).tolist() == [0, 1, 1, 1, 0]
