# SPDX-License-Identifier: Apache-2.0
"""RMSNorm and LayerNorm: equal integers everywhere, near the real norms, and honest about what they take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import named
from torch import nn

from exporter.export import export
from training.errors import HalfbyteError
from training.layers import BitLinear, Input, LayerNorm, RMSNorm


def network(norm: nn.Module, n: int) -> nn.Module:
    torch.manual_seed(n)
    hidden = BitLinear(12, n, signed=True)
    return named(input=Input((12,), dtype="int8"), fc1=hidden, norm=norm, fc2=BitLinear(n, 4, requant=None))


@pytest.mark.parametrize("kind", [RMSNorm, LayerNorm])
@pytest.mark.parametrize(("n", "options"), [(1, {}), (5, {"bits": 4}), (64, {"unit": 100.0}), (300, {"signed": False})])
def test_a_network_with_a_norm_gives_the_same_integers_everywhere(kind, n, options):
    x = np.random.default_rng(n).integers(-128, 128, (200, 12)).astype(np.int8)
    assert export(network(kind(**options), n), "net").verify(x).mismatches == 0


@pytest.mark.parametrize(("kind", "real"), [(RMSNorm, nn.RMSNorm), (LayerNorm, nn.LayerNorm)])
def test_eval_is_within_one_of_the_real_norm(kind, real):
    x = torch.randint(-127, 128, (500, 40)).double()
    y, want = kind(unit=30.0).eval()(x), 30 * real(40, elementwise_affine=False, dtype=torch.float64)(x)
    assert (y - want.clamp(-127, 127)).abs().max() <= 1
    assert (kind(unit=30.0).train()(x.float()) - y).abs().max() <= 1


@pytest.mark.parametrize("kind", [RMSNorm, LayerNorm])
def test_a_tensor_of_zeros_stays_one(kind):
    assert not kind().eval()(torch.zeros(2, 9)).any()


def test_train_has_a_gradient():
    x = torch.randn(8, 20, requires_grad=True)
    LayerNorm()(x * 40).square().sum().backward()
    assert x.grad.abs().sum() > 0


def test_what_does_not_fit_32_bits_is_refused_with_its_path():
    with pytest.raises(HalfbyteError, match="LayerNorm: takes 1 to 516 activations, got 517"):
        export(network(LayerNorm(), 517), "net")
    with pytest.raises(HalfbyteError, match="unit must be above 0"):
        RMSNorm(unit=0)
