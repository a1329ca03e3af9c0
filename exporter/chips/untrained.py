# SPDX-License-Identifier: Apache-2.0
"""Networks that nobody has trained, with weights as trained ones are distributed: what they cost is known before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from exporter.export import Exported, export
from training import data, models
from training.layers import BitLayer
from training.requant import MulShift, Shift

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from torch import nn

    from training.data import Dataset
    from training.recipe import Recipe

SMALL = 0.01  # units of an activation, by which biases differ


def export_untrained(recipe: Recipe, folder: Path, plan: str = "auto") -> Exported:
    """The recipe's network as C in a folder, its weights drawn as trained ones are distributed."""
    generator = torch.Generator().manual_seed(recipe.train.seed)
    return export(draw(build(recipe, data.load_train(recipe.data)), generator), recipe.name, out=folder, plan=plan)


def build(recipe: Recipe, train: Dataset) -> nn.Module:
    """The recipe's network with initial weights."""
    return models.build(recipe, train.x.shape[1:], str(train.x.dtype), len(train.labels))


def weighted(model: nn.Module) -> list[BitLayer]:
    """Its layers with weights."""
    return [module for module in model.modules() if isinstance(module, BitLayer)]


def draw(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """The model in eval(), its weights from a Laplace distribution: trained ones come near it, initial ones do not.

    It matters on a core without a multiplier, where a product takes as long as its level has bits. Statistics and
    biases differ by channel: of a table whose numbers are all alike, clang makes code.
    """
    for layer in weighted(model):
        w = layer.weight
        size = -torch.log1p(-torch.rand(w.shape, generator=generator))
        sign = torch.randint(0, 2, w.shape, generator=generator) * 2 - 1
        w.data.copy_(size * sign * w.data.std())
        if isinstance(layer.requant, MulShift):
            n = layer.out_channels
            layer.requant.variance *= 4 ** (2 * torch.rand(n, generator=generator) - 1)
            layer.requant.beta.data += SMALL * torch.randn(n, generator=generator)
        elif isinstance(layer.requant, Shift):
            layer.requant.bias.data += SMALL * torch.randn(layer.out_channels, generator=generator)
    return model.eval()


def set_density(model: nn.Module, density: float, generator: torch.Generator) -> nn.Module:
    """In every layer, this fraction of the channels gets positive weights, the others negative ones: ReLU makes 0."""
    model.train()
    for layer in weighted(model):
        n = len(layer.weight)
        sign = 2 * (torch.randperm(n, generator=generator) < round(density * n)).to(layer.weight) - 1
        layer.weight.data.copy_(layer.weight.data.abs() * sign[:, None])
        layer.center = False
    return model.eval()


def sample(train: Dataset, recipe: Recipe, density: float) -> npt.NDArray[np.integer]:
    """One raw sample, some of its values the largest there is, the others what the input rule makes 0.

    They are spread evenly, so that windows see them alike; in front of a resize, which would mix them, they come first.
    """
    limits, size = np.iinfo(train.x.dtype), train.x[0].size
    ends = np.floor(np.arange(size + 1) * density + 1e-9)  # nonzero values in front of each
    nonzero = np.arange(size) < round(density * size) if recipe.input.resize else np.diff(ends) > 0
    zero = np.clip(-recipe.input.offset, limits.min, limits.max)
    x = np.where(nonzero, train.x.max(), zero).astype(train.x.dtype)
    return x.reshape(train.x[:1].shape)
