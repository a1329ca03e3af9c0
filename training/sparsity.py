# SPDX-License-Identifier: Apache-2.0
"""Gradual pruning: during training, more and more of the smallest weights become 0 and stay so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from training.layers import BitLayer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.recipe import PruneSection

EVERY = 16  # training steps between two looks at the weights


def prunable(model: nn.Module) -> list[BitLayer]:
    """The layers whose weights can be 0, in order; HalfbyteError names the format where there are none."""
    layers = [module for module in model.modules() if isinstance(module, BitLayer)]
    able = [layer for layer in layers if layer.fmt is None or 0 in layer.fmt.levels]
    if not able and layers:
        layers[0].check_prunable()
    return able


def begin(model: nn.Module) -> None:
    """Give every layer that can be pruned a mask that keeps all."""
    for layer in prunable(model):
        if layer.mask is None:
            layer.prune(torch.ones_like(layer.weight, dtype=torch.bool))


def scheduled(prune: PruneSection, progress: float) -> float:
    """The fraction of weights that are 0 after this fraction of training: Zhu & Gupta 2017 (arXiv 1710.01878)."""
    done = min(1.0, max(0.0, (progress - prune.begin) / max(prune.end - prune.begin, 1e-9)))
    return prune.sparsity * (1 - (1 - done) ** 3)


@torch.no_grad()
def prune_smallest(model: nn.Module, sparsity: float, scope: str) -> None:
    """Set the masks so that this fraction of the weights is 0; what was pruned before stays pruned.

    scope  "global": the smallest of all layers, in units of each layer's clip scale; "layer": of each layer as many
    """
    layers = prunable(model)
    for layer in layers:
        layer.update_clip()
    scores = [layer.quantizer_input().view_as(layer.weight).abs() for layer in layers]
    groups = [range(len(layers))] if scope == "global" else [[at] for at in range(len(layers))]
    for group in groups:
        threshold = _threshold(torch.cat([scores[at].flatten() for at in group]), sparsity)
        for at in group:
            layers[at].prune(scores[at] > threshold)


def _threshold(scores: Tensor, sparsity: float) -> Tensor:
    """What this fraction of the scores do not exceed; below all of them for a fraction of 0."""
    count = round(sparsity * scores.numel())
    return scores.kthvalue(count).values if count else scores.new_tensor(-1.0)
