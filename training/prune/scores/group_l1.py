# SPDX-License-Identifier: Apache-2.0
"""Group L1: a factor on every channel, learned with the weights, that has to pay for not being 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from training.prune.choose import Goal, savings
from training.prune.gates import fold
from training.prune.learning import learn
from training.prune.scores.base import Score

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.prune.samples import Samples
    from training.prune.ties import Ties

LR = 0.01
STRENGTH = 1.0  # of the penalty if all factors are 1, beside a loss in nats


class GroupL1(Score):
    """|factor| of a channel after training with a penalty of the cost that each channel has, times its |factor|.

    Liu et al. 2017 (arXiv 1708.06519) and Wen et al. 2016 (arXiv 1608.03665), with one factor for channels that go
    together.
    """

    name = "group-l1"
    learned = True

    def of_channels(self, model: nn.Module, ties: Ties, samples: Samples | None, goal: Goal) -> Tensor:
        samples = self.needed(samples)
        saved = savings(ties, torch.zeros(ties.count + 1, dtype=torch.bool), goal.cost).float()
        saved[0] = 0
        share = (STRENGTH * saved / saved.sum().clamp_min(1)).to(samples.x.device)
        factors = torch.ones(ties.count + 1, device=samples.x.device, requires_grad=True)
        optimizer = torch.optim.Adam([factors], lr=LR)
        learn(model, ties, samples, [optimizer], lambda: factors[None], lambda _: (share * factors.abs()).sum())
        fold(model, ties, factors)
        return factors.detach().abs()[1:]
