# SPDX-License-Identifier: Apache-2.0
"""L0: hard concrete gates, learned with the weights, whose expected cost a Lagrangian holds at the target."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from training.prune.gates import fold
from training.prune.learning import learn
from training.prune.scores.base import Score

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.prune.choose import Goal
    from training.prune.samples import Samples
    from training.prune.ties import Ties

LOW, HIGH = -0.1, 1.1  # the concrete distribution is stretched to, then clamped to [0, 1]
TEMPERATURE = 2 / 3
OPEN = 2.5  # log odds that gates begin with
RAMP = 0.5  # fraction of the steps in which the target comes down
LR = 0.1


class L0(Score):
    """Log odds of a channel's hard concrete gate (Louizos et al. 2018, arXiv 1712.01312).

    The expected cost, with the chances of rows and columns multiplied, is held at the target by two multipliers that
    climb while the gates descend (Xia et al. 2022, arXiv 2204.00408).
    """

    name = "l0"
    learned = True

    def of_channels(self, model: nn.Module, ties: Ties, samples: Samples | None, goal: Goal) -> Tensor:
        samples = self.needed(samples)
        device = samples.x.device
        generator = torch.Generator(device).manual_seed(samples.settings.seed)
        odds = torch.full((ties.count + 1,), OPEN, device=device, requires_grad=True)
        multipliers = torch.zeros(2, device=device, requires_grad=True)

        def sampled() -> Tensor:
            u = torch.rand(len(odds), generator=generator, device=device).clamp(1e-6, 1 - 1e-6)
            noise = u.log() - (1 - u).log()
            return _stretched((noise + odds) / TEMPERATURE)[None]

        def penalty(progress: float) -> Tensor:
            wanted = goal.sparsity * min(1.0, progress / RAMP)
            missing = wanted - expected_sparsity(ties, odds, goal)
            return multipliers[0] * missing + multipliers[1] * missing.square()

        gates, prices = torch.optim.Adam([odds], lr=LR), torch.optim.Adam([multipliers], lr=LR, maximize=True)
        learn(model, ties, samples, [gates, prices], sampled, penalty)
        fold(model, ties, _stretched(odds))
        return odds.detach()[1:]


def _stretched(logits: Tensor) -> Tensor:
    return (torch.sigmoid(logits) * (HIGH - LOW) + LOW).clamp(0, 1)


def expected_sparsity(ties: Ties, odds: Tensor, goal: Goal) -> Tensor:
    """Fraction of the cost that is expected to go, with a gradient to the log odds.  # ()"""
    chance = torch.sigmoid(odds - TEMPERATURE * math.log(-LOW / HIGH))
    chance = torch.cat([torch.ones_like(chance[:1]), chance[1:]])
    dense, left = 0, torch.zeros((), device=odds.device)
    for tie in ties.layers.values():
        pixels = tie.pixels if goal.cost == "products" else 1
        dense += len(tie.rows) * len(tie.columns) * pixels
        left = left + chance[tie.rows.to(odds.device)].sum() * chance[tie.columns.to(odds.device)].sum() * pixels
    return 1 - left / dense
