# SPDX-License-Identifier: Apache-2.0
"""A recipe's [input] and [model] sections -> a module."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from torch import nn

from training.errors import HalfbyteError
from training.layers import (
    AvgPool1d,
    AvgPool2d,
    BitConv1d,
    BitConv2d,
    BitLinear,
    GlobalAvgPool,
    Input,
    LayerNorm,
    RMSNorm,
)
from training.recipe import (
    AvgPoolLayer,
    ConvLayer,
    GlobalAverageLayer,
    LayerNormLayer,
    LinearLayer,
    MaxPoolLayer,
    RMSNormLayer,
)
from training.requant import activation_range

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.recipe import LastLayer, LayerOptions, Recipe

CONV = {1: BitConv1d, 2: BitConv2d}
MAX_POOL: dict[int, type[nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d}
NORM: dict[type[Any], type[LayerNorm | RMSNorm]] = {LayerNormLayer: LayerNorm, RMSNormLayer: RMSNorm}
AVG_POOL: dict[int, type[nn.Module]] = {1: AvgPool1d, 2: AvgPool2d}


@dataclass
class _Stack:
    """Layers so far, and what comes out of the last of them.

    shape   of a sample: (channels, height, width), (channels, length) or (n,); raw images have no channels yet
    in_max  largest |activation|
    """

    recipe: Recipe
    shape: tuple[int, ...]
    in_max: int
    layers: OrderedDict[str, nn.Module] = field(default_factory=OrderedDict)

    def add(self, kind: str, module: nn.Module) -> None:
        """Append a module as kind1, kind2 ..."""
        number = 1 + sum(name.rstrip("0123456789") == kind for name in self.layers)
        self.layers[f"{kind}{number}"] = module

    def flatten(self) -> int:
        """Put a Flatten in front of a fully connected layer, unless there is one.  # its width"""
        if len(self.shape) > 1 or len(self.layers) == 1:
            self.layers["flatten"] = nn.Flatten()
            self.shape = (prod(self.shape),)
        return self.shape[0]

    def slide(self, kernel: Any, stride: Any, padding: Any) -> None:  # noqa: ANN401 (one number or one for each side)
        """The map that a kernel sliding over this one leaves."""
        sides = self.shape[1:]
        spans = zip(sides, *(_each(v, len(sides)) for v in (kernel, stride, padding)), strict=True)
        after = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in spans)
        if min(after) < 1:
            raise HalfbyteError(
                f"kernel {kernel} is larger than the map {sides} with padding {padding}; "
                "use a smaller one, more padding, or a smaller stride in front"
            )
        self.shape = (self.shape[0], *after)


def build(recipe: Recipe, shape: tuple[int, ...], dtype: str, n_classes: int) -> nn.Sequential:
    """The untrained network of a recipe: input, then its layers (conv1, pool1, fc1 ...), then the scores.

    shape, dtype  of one raw sample

    HalfbyteError names the layer that does not fit what comes before it.
    """
    first = Input(shape, dtype=dtype, **recipe.input.model_dump())
    stack = _Stack(recipe, tuple(first.out_shape), max(-first.lo, first.hi), OrderedDict(input=first))
    if any(not isinstance(layer, LinearLayer) for layer in recipe.model.layers):
        _begin_map(stack, first)
    for index, layer in enumerate(recipe.model.layers):
        try:
            ADD[type(layer)](stack, layer)
        except HalfbyteError as error:
            raise HalfbyteError(f"{recipe.name}: model.layers.{index}: {error}") from None
    options = _options(recipe, recipe.model.last)
    for key in ("requant", "norm", "bits", "signed", "scale"):
        del options[key]
    width = stack.flatten()
    stack.add("fc", BitLinear(width, n_classes, in_max=stack.in_max, requant=None, bias=recipe.model.bias, **options))
    return nn.Sequential(stack.layers)


def _begin_map(stack: _Stack, first: Input) -> None:
    """Give images and series the channel axis that convolutions and poolings take."""
    if first.channels is None:
        if len(first.out_shape) > 2:
            raise HalfbyteError(
                f"{stack.recipe.name}: samples of shape {first.shape} have channels; say where: input.channels = "
                '"first" or "last"'
            )
        stack.layers["map"] = nn.Unflatten(1, (1, first.out_shape[0]))
        stack.shape = (1, *first.out_shape)


def _add_linear(stack: _Stack, layer: LinearLayer) -> None:
    options = _options(stack.recipe, layer)
    stack.add("fc", BitLinear(stack.flatten(), layer.linear, in_max=stack.in_max, **options))
    stack.shape = (layer.linear,)
    stack.in_max = activation_range(options["bits"], signed=options["signed"])[1]


def _add_conv(stack: _Stack, layer: ConvLayer) -> None:
    channels, dims = _map_of(stack)
    if layer.depthwise and layer.groups is not None:
        raise HalfbyteError("depthwise has a group for every input channel; leave groups out")
    groups = channels if layer.depthwise else layer.groups or 1
    options = _options(stack.recipe, layer) | {"stride": layer.stride, "padding": layer.padding, "groups": groups}
    stack.add("conv", CONV[dims](channels, layer.conv, layer.kernel, in_max=stack.in_max, **options))
    stack.slide(layer.kernel, layer.stride, layer.padding)
    stack.shape = (layer.conv, *stack.shape[1:])
    stack.in_max = activation_range(options["bits"], signed=options["signed"])[1]


def _add_max_pool(stack: _Stack, layer: MaxPoolLayer) -> None:
    _add_pool(stack, MAX_POOL, layer.maxpool, layer)


def _add_avg_pool(stack: _Stack, layer: AvgPoolLayer) -> None:
    _add_pool(stack, AVG_POOL, layer.avgpool, layer)


def _add_pool(
    stack: _Stack, kinds: dict[int, type[nn.Module]], kernel: int | tuple[int, ...], layer: MaxPoolLayer | AvgPoolLayer
) -> None:
    _, dims = _map_of(stack)
    stride = kernel if layer.stride is None else layer.stride
    if any(2 * p > k for p, k in zip(_each(layer.padding, dims), _each(kernel, dims), strict=True)):
        raise HalfbyteError(f"padding {layer.padding} is more than half of the window {kernel}")
    stack.add("pool", kinds[dims](kernel, stride, layer.padding))
    stack.slide(kernel, stride, layer.padding)


def _add_global_average(stack: _Stack, layer: GlobalAverageLayer) -> None:  # noqa: ARG001 (one signature for all)
    channels, _ = _map_of(stack)
    stack.add("pool", GlobalAvgPool())
    stack.shape = (channels,)


def _add_norm(stack: _Stack, layer: LayerNormLayer | RMSNormLayer) -> None:
    stack.add("norm", NORM[type(layer)](signed=layer.signed))
    stack.in_max = activation_range(8, signed=layer.signed)[1]


ADD: dict[type[Any], Callable[[_Stack, Any], None]] = {
    LinearLayer: _add_linear,
    ConvLayer: _add_conv,
    MaxPoolLayer: _add_max_pool,
    AvgPoolLayer: _add_avg_pool,
    GlobalAverageLayer: _add_global_average,
    LayerNormLayer: _add_norm,
    RMSNormLayer: _add_norm,
}


def _each(value: int | tuple[int, ...], dims: int) -> tuple[int, ...]:
    """One number for every side of a map."""
    if isinstance(value, tuple) and len(value) != dims:
        raise HalfbyteError(f"{list(value)} has {len(value)} numbers, the map has {dims} sides")
    return value if isinstance(value, tuple) else (value,) * dims


def _map_of(stack: _Stack) -> tuple[int, int]:
    """Channels and sides of the map that a layer gets."""
    if len(stack.shape) < 2:
        raise HalfbyteError(f"takes a map, and gets {stack.shape[0]} activations; put it in front of the linear layers")
    return stack.shape[0], len(stack.shape) - 1


def _options(recipe: Recipe, layer: LayerOptions | LastLayer) -> dict[str, Any]:
    """A layer's options: its own, else the model's."""
    names = {"format", "scale", "clip", "center", "requant", "norm", "bits", "signed"}
    own = layer.model_dump(exclude_none=True, include=names)
    return recipe.model.model_dump(include=names) | own
