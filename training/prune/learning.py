# SPDX-License-Identifier: Apache-2.0
"""Gates learned with the weights, for the scores that are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from training import optim
from training.prune.gates import gated

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor, nn

    from training.prune.samples import Samples
    from training.prune.ties import Ties

EPOCHS = 2


def learn(
    model: nn.Module,
    ties: Ties,
    samples: Samples,
    optimizers: list[torch.optim.Optimizer],
    gates: Callable[[], Tensor],
    penalty: Callable[[float], Tensor],
) -> None:
    """Train a model with gates on its channels, at the learning rate of the samples' settings, for EPOCHS.

    optimizers  of what the gates and the penalty are made of
    gates       of a step  # (1, ties.count + 1)
    penalty     that is added to the loss after this fraction of the steps
    """
    settings = samples.settings
    optimizers = [*optim.make_optimizers(model, settings), *optimizers]
    model.train()
    steps, total = 0, EPOCHS * -(-len(samples.y) // settings.batch)
    for epoch in range(EPOCHS):
        for x, y in samples.epoch(epoch):
            for optimizer in optimizers:
                optimizer.zero_grad()
            with gated(model, ties, gates()):
                loss = functional.cross_entropy(model(x), y, label_smoothing=settings.label_smoothing)
            (loss + penalty(steps / total)).backward()
            for optimizer in optimizers:
                optimizer.step()
            steps += 1
