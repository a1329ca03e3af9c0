# SPDX-License-Identifier: Apache-2.0
"""Magnitude: a weight is worth its distance from 0, a channel the norm of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from training.prune.scores.base import Layers, Score, beside_larger

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.prune.choose import Goal
    from training.prune.samples import Samples
    from training.prune.ties import Ties


class Magnitude(Score):
    """|w| in units of each layer's clip scale (Han et al. 2015, arXiv 1506.02626).

    Of a channel: the mean square of its weights (Li et al. 2017, arXiv 1608.08710) beside those of its layer that are
    not smaller, mean of all layers that make it.
    """

    name = "magnitude"
    needs_classes = False
    every = 16

    @torch.no_grad()
    def of_weights(self, model: nn.Module, layers: Layers, samples: Samples | None) -> dict[str, Tensor]:  # noqa: ARG002
        return {path: layer.quantizer_input().view_as(layer.weight).abs() for path, layer in layers.items()}

    @torch.no_grad()
    def of_channels(self, model: nn.Module, ties: Ties, samples: Samples | None, goal: Goal) -> Tensor:  # noqa: ARG002
        total, makers = torch.zeros(ties.count + 1), torch.zeros(ties.count + 1)
        for path, tie in ties.layers.items():
            square = ties.layer(model, path).weight.detach().cpu().float().square().mean(1)
            total.index_add_(0, tie.rows, beside_larger(square))
            makers.index_add_(0, tie.rows, torch.ones_like(square))
        return (total / makers.clamp_min(1))[1:]
