# SPDX-License-Identifier: Apache-2.0
"""Prune a module in place, whichever way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from training.errors import HalfbyteError
from training.layers import BitLayer
from training.prune import masks, obs
from training.prune.choose import Cost, Goal, choose
from training.prune.cut import remove
from training.prune.samples import Samples
from training.prune.scores import get_score
from training.prune.ties import find_ties

if TYPE_CHECKING:
    from torch import Tensor, nn

COSTS = ("weights", "products")
SCOPES = ("global", "layer")


@dataclass(frozen=True)
class Pruned:
    """What pruning did.

    weights   fraction of them that is gone, or 0
    products  fraction of the multiplications of a sample that is gone, where channels are
    widths    channels of every layer by path, before and after
    """

    weights: float
    products: float
    widths: dict[str, tuple[int, int]]


def prune(
    model: nn.Module,
    sparsity: float | None = None,
    *,
    structured: bool = False,
    score: str = "magnitude",
    cost: Cost = "weights",
    scope: str = "global",
    n_of_m: str | None = None,
    one_shot: bool = False,
    x: Tensor | None = None,
    y: Tensor | None = None,
) -> Pruned:
    """Remove weights or channels of a model that are worth least, in place; train it further afterwards.

    sparsity    fraction to remove, 0 <= sparsity < 1; not given with n_of_m
    structured  remove channels and neurons: layers get smaller, and what must go together does (residual sums,
                depthwise chains). Make optimizers afterwards. Otherwise single weights become 0 for good
    score       "magnitude", "wanda" (looks at x), "fisher" (x and y); structured also "group-l1" and "l0", which train
                the model on x and y with gates on its channels
    cost        structured: what sparsity is a fraction of, "weights" or "products", the multiplications of a sample
    scope       single weights: "global", or "layer" for the same fraction of every layer
    n_of_m      single weights: such as "2:4", of every 4 inputs of a neuron 2 stay
    one_shot    single weights: those that stay absorb the error, and are rounded to their levels, from x alone
    x, y        raw samples (n, *shape) as they enter the network, and their classes (n,) int64

    HalfbyteError where the fraction cannot be reached (with the nearest that can), where a layer's format has no
    level 0, or where forward() cannot be traced.
    """
    samples = None
    if x is not None:
        samples = Samples(x, torch.zeros(len(x), dtype=torch.int64, device=x.device) if y is None else y)
    if y is None and get_score(score).needs_classes:
        raise HalfbyteError(f"score '{score}' looks at samples and their classes; give it x and y")
    if structured:
        if n_of_m or one_shot:
            raise HalfbyteError("n_of_m and one_shot are for single weights; leave them out, or structured")
        return remove_channels(model, score, Goal(_fraction(sparsity), cost), samples)
    return prune_weights(model, sparsity, score, scope, n_of_m, one_shot=one_shot, samples=samples)


def _fraction(sparsity: float | None) -> float:
    if sparsity is None:
        raise HalfbyteError("give the sparsity: the fraction to remove, such as 0.5")
    if not 0 <= sparsity < 1:
        raise HalfbyteError(f"sparsity must be at least 0 and below 1, got {sparsity!r}")
    return sparsity


def remove_channels(model: nn.Module, score: str, goal: Goal, samples: Samples | None) -> Pruned:
    """Remove the channels that are worth least until the goal is reached, in place."""
    if goal.cost not in COSTS:
        raise HalfbyteError(f"cost must be one of {', '.join(COSTS)}, got {goal.cost!r}")
    found, ties = get_score(score), find_ties(model)
    nothing = torch.zeros(ties.count + 1, dtype=torch.bool)
    choose(ties, torch.zeros(ties.count), goal, per_cost=False)  # refuses what cannot be reached, before it learns
    gone = choose(ties, found.of_channels(model, ties, samples, goal), goal, per_cost=not found.learned)
    before = {path: len(tie.rows) for path, tie in ties.layers.items()}
    remove(model, ties, gone)
    widths = {path: (width, ties.layer(model, path).out_channels) for path, width in before.items()}
    return Pruned(
        1 - ties.weights(gone) / ties.weights(nothing), 1 - ties.products(gone) / ties.products(nothing), widths
    )


def prune_weights(
    model: nn.Module,
    sparsity: float | None,
    score: str,
    scope: str,
    n_of_m: str | None,
    *,
    one_shot: bool,
    samples: Samples | None,
) -> Pruned:
    """Set the weights that are worth least to 0 for good, in place."""
    layers = {path: module for path, module in model.named_modules() if isinstance(module, BitLayer)}
    masks.check_prunable(layers)
    if scope not in SCOPES:
        raise HalfbyteError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r}")
    if n_of_m and sparsity is not None:
        raise HalfbyteError(f"'{n_of_m}' says how many weights stay; leave the sparsity out")
    pattern = masks.parse_n_of_m(n_of_m) if n_of_m else None
    fraction = None if pattern else _fraction(sparsity)

    def kept(scores: dict[str, Tensor]) -> dict[str, Tensor]:
        for path, layer in layers.items():
            if layer.mask is not None:  # what was pruned before stays pruned
                scores[path] = scores[path].masked_fill(~layer.mask, -1)
        if pattern:
            return masks.n_of_m(layers, scores, *pattern)
        assert fraction is not None
        return masks.smallest(scores, fraction, scope)

    if one_shot:
        if samples is None:
            raise HalfbyteError("one_shot looks at samples; give it x")
        obs.prune_once(model, layers, samples, kept)
    else:
        for layer in layers.values():
            layer.update_clip()
        masks.apply(layers, kept(get_score(score).of_weights(model, layers, samples)))
    zeros = sum(int((~layer.mask).sum()) for layer in layers.values() if layer.mask is not None)
    part = zeros / sum(layer.weight.numel() for layer in layers.values())
    return Pruned(part, 0.0, {path: (layer.out_channels,) * 2 for path, layer in layers.items()})
