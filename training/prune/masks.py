# SPDX-License-Identifier: Apache-2.0
"""Masks of single weights: the least of all layers, of each layer, or of every M inputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from training.errors import HalfbyteError
from training.layers import BitLayer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.prune.scores.base import Layers


def layers_of(model: nn.Module) -> Layers:
    """All layers of weights of a model, by path, in order."""
    return {path: module for path, module in model.named_modules() if isinstance(module, BitLayer)}


def prunable(model: nn.Module) -> Layers:
    """The layers whose weights can be 0, in order; HalfbyteError names the format where there are none."""
    layers = layers_of(model)
    able = {path: layer for path, layer in layers.items() if can_be_zero(layer)}
    if not able:
        check_prunable(layers)
    return able


def can_be_zero(layer: BitLayer) -> bool:
    """Can single weights of the layer be 0?"""
    return (layer.fmt is None or 0 in layer.fmt.levels) and not layer.center


def check_prunable(layers: Layers) -> None:
    """HalfbyteError names the first layer whose weights cannot be 0, and why."""
    for path, layer in layers.items():
        try:
            layer.check_prunable()
        except HalfbyteError as error:
            raise HalfbyteError(f"{path}: {error}; or remove channels instead, which every format can") from None


def chosen(
    layers: Layers, scores: dict[str, Tensor], sparsity: float | None, scope: str, pattern: str | None
) -> dict[str, Tensor]:
    """What stays of every layer, N:M where there is a pattern; what was pruned before stays pruned.  # path: bool"""
    before = {path: layer.mask for path, layer in layers.items() if layer.mask is not None}
    scores = scores | {path: scores[path].masked_fill(~mask, -1) for path, mask in before.items()}
    if pattern is None:
        assert sparsity is not None
        masks = smallest(scores, sparsity, scope)
    else:
        masks = n_of_m(layers, scores, *parse_n_of_m(pattern))
    return masks | {path: masks[path] & mask for path, mask in before.items()}


def smallest(scores: dict[str, Tensor], sparsity: float, scope: str) -> dict[str, Tensor]:
    """What stays of every layer so that exactly this fraction goes, rounded to whole weights.  # path: bool, as scores

    scope  "global": the least of all layers; "layer": of each layer as many

    Each layer keeps the weight that is worth most. HalfbyteError says the nearest fraction where that is in the way.
    """
    groups = [list(scores)] if scope == "global" else [[path] for path in scores]
    masks: dict[str, Tensor] = {}
    for paths in groups:
        flat = [scores[path].flatten().clone() for path in paths]
        for part in flat:
            part[part.argmax()] = torch.inf
        joined = torch.cat(flat)
        count = round(sparsity * len(joined))
        if count > len(joined) - len(paths):
            raise HalfbyteError(
                f"sparsity {sparsity:g}: would empty {paths[-1]}; the nearest that leaves every layer a weight is "
                f"{math.floor((1 - len(paths) / len(joined)) * 1e4) / 1e4:g}"
            )
        kept = torch.ones_like(joined, dtype=torch.bool)
        kept[joined.argsort(stable=True)[:count]] = False
        parts = kept.split([part.numel() for part in flat])
        masks |= {path: part.view_as(scores[path]) for path, part in zip(paths, parts, strict=True)}
    return masks


def n_of_m(layers: Layers, scores: dict[str, Tensor], n: int, m: int) -> dict[str, Tensor]:
    """What stays where of every m inputs of a neuron the n that are worth most stay.  # path: bool, as scores

    Inputs are counted as the exported weights have them: of a convolution first the channels of a pixel. Where they
    are no multiple of m, the last few of a row keep n as well, or all.
    """
    return {path: _n_of_m(layer, scores[path], n, m) for path, layer in layers.items()}


def _n_of_m(layer: BitLayer, score: Tensor, n: int, m: int) -> Tensor:
    pixels = math.prod(getattr(layer, "kernel_size", (1,)))
    rows = score.view(len(score), -1, pixels).swapaxes(1, 2).reshape(len(score), -1)  # channels last
    padded = torch.nn.functional.pad(rows, (0, -rows.shape[1] % m), value=-torch.inf)
    best = padded.view(len(rows), -1, m).argsort(dim=2, descending=True, stable=True)[:, :, :n]
    kept = torch.zeros_like(padded, dtype=torch.bool).view(len(rows), -1, m)
    kept.scatter_(2, best, value=True)
    kept = kept.view(len(rows), -1)[:, : rows.shape[1]]
    return kept.view(len(rows), pixels, -1).swapaxes(1, 2).reshape_as(score)


def parse_n_of_m(text: str) -> tuple[int, int]:
    """2:4 -> (2, 4); HalfbyteError where that is no such thing."""
    n, colon, m = text.partition(":")
    if not (colon and n.isdecimal() and m.isdecimal() and 0 < int(n) < int(m) <= 256):
        raise HalfbyteError(f"'{text}' is not N:M; expected 2:4, say, which keeps 2 weights of every 4 inputs")
    return int(n), int(m)


def apply(layers: Layers, masks: dict[str, Tensor]) -> None:
    """Prune every layer; HalfbyteError names the one that cannot be."""
    for path, layer in layers.items():
        try:
            layer.prune(masks[path])
        except HalfbyteError as error:
            raise HalfbyteError(f"{path}: {error}") from None


def sparsity(model: nn.Module) -> float:
    """Fraction of the weights that are 0 in eval(), of all layers."""
    levels = [layer.levels() for layer in layers_of(model).values()]
    return sum(int((w == 0).sum()) for w in levels) / max(1, sum(w.numel() for w in levels))
