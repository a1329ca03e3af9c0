# SPDX-License-Identifier: Apache-2.0
"""Fisher: what the loss would rise by, to second order, from squared gradients on calibration samples."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from training.prune.gates import gated
from training.prune.scores.base import Layers, Score

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.prune.choose import Goal
    from training.prune.samples import Samples
    from training.prune.ties import Ties


class Fisher(Score):
    """w^2 * mean of (dL/dw)^2 (LeCun et al. 1989 with the empirical Fisher; Theis et al. 2018, arXiv 1801.05787).

    Of a channel: the mean square of the gradient of a factor on it, shared by all channels that go with it (Liu et al.
    2021, arXiv 2108.00708).
    """

    name = "fisher"

    def of_weights(self, model: nn.Module, layers: Layers, samples: Samples | None) -> dict[str, Tensor]:
        copied = copy.deepcopy(model).train()
        weights = {path: copied.get_parameter(f"{path}.weight") for path in layers}
        total = {path: torch.zeros_like(weight) for path, weight in weights.items()}
        for x, y in self.needed(samples).calibration():
            grads = torch.autograd.grad(functional.cross_entropy(copied(x), y), list(weights.values()))
            for path, grad in zip(weights, grads, strict=True):
                total[path] += grad.square()
        return {path: weight.detach().square() * total[path] for path, weight in weights.items()}

    def of_channels(self, model: nn.Module, ties: Ties, samples: Samples | None, goal: Goal) -> Tensor:  # noqa: ARG002
        copied = copy.deepcopy(model).train()
        total = torch.zeros(ties.count + 1)
        for x, y in self.needed(samples).calibration():
            gates = torch.ones(len(x), ties.count + 1, device=x.device, requires_grad=True)
            with gated(copied, ties, gates):
                loss = functional.cross_entropy(copied(x), y, reduction="sum")
            (grad,) = torch.autograd.grad(loss, gates)
            total += grad.square().sum(0).cpu()
        return total[1:]
