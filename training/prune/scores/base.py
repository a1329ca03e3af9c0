# SPDX-License-Identifier: Apache-2.0
"""What every pruning score has: a value for each weight, and one for each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.layers import BitLayer
    from training.prune.choose import Goal
    from training.prune.samples import Samples
    from training.prune.ties import Ties

Layers = dict[str, "BitLayer"]  # by path


def beside_larger(values: Tensor) -> Tensor:
    """Each value beside the sum of those that are not smaller: comparable between layers, 1 for the last that is left.

    LAMP (Lee et al. 2021, arXiv 2010.07611): a layer that has lost much holds on to the rest.  # (n,)
    """
    order = values.argsort(descending=True, stable=True)
    ranked = values[order]
    return torch.empty_like(values).scatter_(0, order, ranked / ranked.cumsum(0).clamp_min(1e-12))


class Score:
    """What is lost with a weight, or with a channel; the least goes first.

    every    training steps between two looks at the weights, where they are pruned gradually
    needs_classes  does it look at the classes of the samples?
    learned  it trains the network with a gate on every channel, and leaves it trained: then the cost of a channel is
             part of what is learned, and the score alone decides
    """

    name: ClassVar[str]
    every: ClassVar[int] = 64
    needs_classes: ClassVar[bool] = True
    learned: ClassVar[bool] = False

    def of_weights(self, model: nn.Module, layers: Layers, samples: Samples | None) -> dict[str, Tensor]:
        """Of every weight of these layers of a model, at least 0.  # path: (out_channels, fan_in)"""
        raise NotImplementedError

    def of_channels(self, model: nn.Module, ties: Ties, samples: Samples | None, goal: Goal) -> Tensor:
        """Of every group of channels that go together.  # (ties.count,)

        goal  what is to be saved, for scores that learn which
        """
        raise NotImplementedError

    def needed(self, samples: Samples | None) -> Samples:
        """The samples; HalfbyteError where there are none."""
        if samples is None:
            raise HalfbyteError(f"score '{self.name}' looks at samples and their classes; give it x and y")
        return samples
