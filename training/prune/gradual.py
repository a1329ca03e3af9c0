# SPDX-License-Identifier: Apache-2.0
"""Gradual pruning: during training, more and more of the weights that are worth least become 0 and stay so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from training.prune import masks
from training.prune.scores import get_score

if TYPE_CHECKING:
    from torch import nn

    from training.prune.samples import Samples
    from training.recipe import PruneSection


def begin(model: nn.Module) -> None:
    """Give every layer that can be pruned a mask that keeps all, unless it has one."""
    for layer in masks.prunable(model).values():
        if layer.mask is None:
            layer.prune(torch.ones_like(layer.weight, dtype=torch.bool))


def scheduled(prune: PruneSection, progress: float) -> float:
    """The fraction of weights that are 0 after this fraction of training: Zhu & Gupta 2017 (arXiv 1710.01878)."""
    done = min(1.0, max(0.0, (progress - prune.begin) / max(prune.end - prune.begin, 1e-9)))
    return prune.sparsity * (1 - (1 - done) ** 3)


def is_due(prune: PruneSection, steps: int) -> bool:
    """Is it time to look at the weights, after this many steps of an epoch?"""
    return steps % get_score(prune.score).every == 0


def step(model: nn.Module, prune: PruneSection, samples: Samples, progress: float) -> None:
    """Prune as far as the schedule is after this fraction of training."""
    prune_least(model, scheduled(prune, progress), prune.scope, prune.score, samples)


def prune_least(model: nn.Module, sparsity: float, scope: str, score: str, samples: Samples | None) -> None:
    """Set the masks so that this fraction of the weights that can be 0 is; what was pruned before stays pruned."""
    layers = masks.prunable(model)
    for layer in layers.values():
        layer.update_clip()
    scores = get_score(score).of_weights(model, layers, samples)
    masks.apply(layers, masks.chosen(layers, scores, sparsity, scope, None))
