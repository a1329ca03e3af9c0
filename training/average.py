# SPDX-License-Identifier: Apache-2.0
"""An exponential average of the weights (Polyak & Juditsky 1992), which is what is evaluated and kept."""

from __future__ import annotations

import copy

import torch
from torch import nn

WARM = 10  # steps in which the average forgets where it began


class Average:
    """A twin of a model that follows it: after every step, `decay` of its own and the rest of the model's.

    Quantized, it lies on levels like every network: what is averaged are the weights in front of the quantizer, with
    the parameters and statistics of the requantizers. With decay 0 it is the model itself.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.model = copy.deepcopy(model) if decay else model

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Follow the model by one step."""
        self.steps += 1
        if not self.decay:
            return
        weight = 1 - min(self.decay, self.steps / (self.steps + WARM))
        pairs = list(zip(_tensors(self.model), _tensors(model), strict=True))
        floating = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([own for own, _ in floating], [other for _, other in floating], weight)
        for own, other in pairs:
            if not own.is_floating_point():
                own.copy_(other)


def _tensors(model: nn.Module) -> list[torch.Tensor]:
    return [*(parameter.data for parameter in model.parameters()), *model.buffers()]
