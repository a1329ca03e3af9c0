# SPDX-License-Identifier: Apache-2.0
"""Self-compression: bits of every row of weights are learned, their number is part of the loss; rows without any go.

Csefalvay & Imber 2023 (arXiv 2301.13142): loss + gamma * (bits that are stored) / (weights there were at the start).
With the cost "products" it is loss + gamma * 8 * (multiplications that are left) / (those of the start).
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from training.errors import HalfbyteError
from training.layers import BitLayer
from training.layers.rowbits import MAX_BITS
from training.prune.cut import remove
from training.prune.ties import find_ties
from training.recipe import ConvLayer, LinearLayer
from training.requant import MaxShift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from training.layers.rowbits import RowBits
    from training.recipe import CompressSection, Layer, Recipe

HEAD = 8  # bits that a row takes besides its weights: their number and the exponent


def weighted(model: nn.Module) -> dict[str, BitLayer]:
    """The layers with weights by path, in the order of the data."""
    return {name: module for name, module in model.named_modules() if isinstance(module, BitLayer)}


def followers(model: nn.Module) -> dict[str, BitLayer]:
    """By layer whose rows may go: the layer whose inputs go with them.

    A row without bits makes an activation of 0 behind maxshift, and elsewhere a constant that the next layer may need.
    """
    return {
        name: following
        for (name, layer), (_, following) in pairwise(weighted(model).items())
        if isinstance(layer.requant, MaxShift) and all(getattr(part, "groups", 1) == 1 for part in (layer, following))
    }


def begin(model: nn.Module) -> None:
    """Give every row 8 bits to begin with, unless it has bits; HalfbyteError names a layer that cannot learn them."""
    may_go, ties = followers(model), find_ties(model).layers
    for name, layer in weighted(model).items():
        if layer.row_bits is not None:  # of a run that was trained before
            layer.row_bits.least, layer.row_bits.pixels = 0 if name in may_go else 1, ties[name].pixels
            continue
        try:
            layer.learn_bits(least=0 if name in may_go else 1, pixels=ties[name].pixels)
        except HalfbyteError as error:
            raise HalfbyteError(f"{name}: {error}") from None


def stored_bits(model: nn.Module) -> Tensor:
    """Bits that are stored when the rows without any are gone, with a gradient to the bits of every row.  # ()"""
    total = torch.zeros(())
    for row_bits, inputs in _rows_and_inputs(model, below=1):
        bits, live = row_bits.soft(below=1)
        total = total + (bits * inputs + HEAD * live).sum()
    return total


def products(model: nn.Module) -> Tensor:
    """Multiplications of a sample by the rows that have bits; a row's go with its bits, in the gradient.  # ()"""
    total = torch.zeros(())
    for row_bits, inputs in _rows_and_inputs(model, below=MAX_BITS):
        _, live = row_bits.soft(below=MAX_BITS)
        total = total + live.sum() * inputs * row_bits.pixels
    return total


def _rows_and_inputs(model: nn.Module, below: int) -> Iterator[tuple[RowBits, Tensor]]:
    """Of every layer with weights the bits of its rows, and how many inputs a row has that are left.  # ()"""
    layers, follow = weighted(model), followers(model)
    inputs = {id(layer): torch.as_tensor(float(layer.fan_in)) for layer in layers.values()}
    for name, layer in layers.items():
        assert layer.row_bits is not None
        yield layer.row_bits, inputs[id(layer)]
        if name in follow:
            following = follow[name]
            inputs[id(following)] = layer.row_bits.soft(below)[1].sum() * (following.fan_in // layer.out_channels)


# name -> (cost of a model, with a gradient to its bits; what it is divided by, of a model with all its rows)
COSTS: dict[str, tuple[Callable[[nn.Module], Tensor], Callable[[nn.Module], float]]] = {
    "bits": (stored_bits, lambda model: sum(layer.weight.numel() for layer in weighted(model).values())),
    "products": (products, lambda model: sum(_dense_products(layer) for layer in weighted(model).values()) / MAX_BITS),
}


def _dense_products(layer: BitLayer) -> int:
    assert layer.row_bits is not None
    return layer.weight.numel() * layer.row_bits.pixels


def learn(model: nn.Module, compress: CompressSection, progress: float) -> None:
    """Add the gradient of gamma * cost to those of a step; the bits have none before they learn and after they have.

    progress  fraction of training that is done
    """
    if compress.gamma and compress.begin <= progress < compress.end:
        cost, unit = COSTS[compress.cost]
        (cost(model) * (compress.gamma / unit(model))).backward()
    else:
        for layer in weighted(model).values():
            layer.row_bits.bits.grad = None  # type: ignore[union-attr]


def without_dead_rows(model: nn.Module, recipe: Recipe) -> tuple[nn.Module, Recipe]:
    """A copy without the rows of 0 bits, and its recipe: the same integers, less those that are always 0."""
    model = copy.deepcopy(model).eval()
    ties, layers = find_ties(model), weighted(model)
    gone = torch.zeros(ties.count + 1, dtype=torch.bool)
    for name in followers(model):
        gone[ties.layers[name].rows] = ~layers[name].row_bits.live().cpu()  # type: ignore[union-attr]
    remove(model, ties, gone)
    widths = iter([layer.out_channels for layer in layers.values()])
    entries = tuple(_with_width(entry, widths) for entry in recipe.model.layers)
    return model, recipe.model_copy(update={"model": recipe.model.model_copy(update={"layers": entries})})


def _with_width(entry: Layer, widths: Iterator[int]) -> Layer:
    """The entry of a recipe with the next width, if it is a layer with weights."""
    key = {LinearLayer: "linear", ConvLayer: "conv"}.get(type(entry))
    return entry if key is None else entry.model_copy(update={key: next(widths)})
