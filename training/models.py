# SPDX-License-Identifier: Apache-2.0
"""A recipe's [input] and [model] sections -> a module."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from training.layers import BitLinear, Input
from training.requant import activation_range

if TYPE_CHECKING:
    from training.recipe import LastLayer, LayerOptions, Recipe


def build(recipe: Recipe, shape: tuple[int, ...], dtype: str, n_classes: int) -> nn.Sequential:
    """The untrained network of a recipe: input, flatten, fc1 ... fcN; N - 1 hidden layers and the scores.

    shape, dtype  of one raw sample
    """
    first = Input(shape, dtype=dtype, **recipe.input.model_dump())
    layers: OrderedDict[str, nn.Module] = OrderedDict(input=first, flatten=nn.Flatten())
    width, in_max = int(np.prod(first.out_shape)), max(-first.lo, first.hi)
    for layer in recipe.model.layers:
        options = _options(recipe, layer)
        layers[f"fc{len(layers) - 1}"] = BitLinear(width, layer.linear, in_max=in_max, **options)
        width, in_max = layer.linear, activation_range(options["bits"], signed=options["signed"])[1]
    options = _options(recipe, recipe.model.last)
    for key in ("requant", "norm", "bits", "signed", "scale"):
        del options[key]
    layers[f"fc{len(layers) - 1}"] = BitLinear(
        width, n_classes, in_max=in_max, requant=None, bias=recipe.model.bias, **options
    )
    return nn.Sequential(layers)


def _options(recipe: Recipe, layer: LayerOptions | LastLayer) -> dict[str, Any]:
    """A layer's options: its own, else the model's."""
    own = layer.model_dump(exclude_none=True, exclude={"linear"})
    return recipe.model.model_dump(exclude={"layers", "last", "bias"}) | own
