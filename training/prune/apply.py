# SPDX-License-Identifier: Apache-2.0
"""Prune a module in place, whichever way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from training.errors import HalfbyteError
from training.prune import masks, obs
from training.prune.choose import Cost, Goal, choose
from training.prune.cut import remove
from training.prune.samples import Samples
from training.prune.scores import get_score
from training.prune.ties import find_ties

if TYPE_CHECKING:
    from torch import Tensor, nn


CHOICES = {"cost": ("weights", "products"), "scope": ("global", "layer")}


@dataclass(frozen=True)
class Method:
    """What to remove, and how; see `prune`. HalfbyteError where that contradicts itself."""

    sparsity: float | None
    structured: bool = False
    score: str = "magnitude"
    cost: Cost = "weights"
    scope: str = "global"
    n_of_m: str | None = None
    one_shot: bool = False
    multiple: int = 1

    def __post_init__(self) -> None:
        for what, known in CHOICES.items():
            if (value := getattr(self, what)) not in known:
                raise HalfbyteError(f"{what} must be one of {', '.join(known)}, got '{value}'")
        if self.structured:
            self._check_channels()
        else:
            self._check_weights()
        if self.n_of_m:
            masks.parse_n_of_m(self.n_of_m)
            if self.sparsity is not None:
                raise HalfbyteError(f"'{self.n_of_m}' says how many weights stay; leave the sparsity out")
        elif self.sparsity is None:
            raise HalfbyteError("give the sparsity: the fraction to remove, such as 0.5")
        elif not 0 <= self.sparsity < 1:
            raise HalfbyteError(f"sparsity must be at least 0 and below 1, got {self.sparsity:g}")

    def _check_channels(self) -> None:
        get_score(self.score)
        if self.n_of_m or self.one_shot:
            raise HalfbyteError("N:M and one-shot are for single weights; leave them out, or structured")
        if self.multiple < 1:
            raise HalfbyteError(f"multiple counts channels, 1 or more; got {self.multiple}")

    def _check_weights(self) -> None:
        if get_score(self.score).learned:
            raise HalfbyteError(f"score '{self.score}' is learned for channels; give it structured, or take another")
        if self.one_shot and self.score != "magnitude":
            raise HalfbyteError(f"one-shot has a score of its own; leave '{self.score}' out")
        if self.multiple != 1:
            raise HalfbyteError(f"multiple = {self.multiple} counts channels; give it structured, or leave it out")


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
    multiple: int = 1,
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
    multiple    structured: every layer that loses channels keeps a multiple of it: kernels make up to 8 at once
    x, y        raw samples (n, *shape) as they enter the network, and their classes (n,) int64

    HalfbyteError where the fraction cannot be reached (with the nearest that can), where a layer's format has no
    level 0, or where forward() cannot be traced.
    """
    samples = None
    if x is not None:
        samples = Samples(x, torch.zeros(len(x), dtype=torch.int64, device=x.device) if y is None else y)
    if y is None and get_score(score).needs_classes:
        raise HalfbyteError(f"score '{score}' looks at samples and their classes; give it x and y")
    return prune_with(model, Method(sparsity, structured, score, cost, scope, n_of_m, one_shot, multiple), samples)


def prune_with(model: nn.Module, method: Method, samples: Samples | None) -> Pruned:
    """Prune a model in place."""
    if method.structured:
        return _remove_channels(model, method, samples)
    return _prune_weights(model, method, samples)


def _remove_channels(model: nn.Module, method: Method, samples: Samples | None) -> Pruned:
    assert method.sparsity is not None
    goal = Goal(method.sparsity, method.cost, method.multiple)
    found, ties = get_score(method.score), find_ties(model)
    nothing = torch.zeros(ties.count + 1, dtype=torch.bool)
    choose(ties, torch.zeros(ties.count), goal, per_cost=False)  # refuses what cannot be reached, before it learns
    gone = choose(ties, found.of_channels(model, ties, samples, goal), goal, per_cost=not found.learned)
    before = {path: len(tie.rows) for path, tie in ties.layers.items()}
    remove(model, ties, gone)
    widths = {path: (width, ties.layer(model, path).out_channels) for path, width in before.items()}
    return Pruned(
        1 - ties.weights(gone) / ties.weights(nothing), 1 - ties.products(gone) / ties.products(nothing), widths
    )


def _prune_weights(model: nn.Module, method: Method, samples: Samples | None) -> Pruned:
    layers = masks.layers_of(model)
    masks.check_prunable(layers)

    def kept(scores: dict[str, Tensor]) -> dict[str, Tensor]:
        return masks.chosen(layers, scores, method.sparsity, method.scope, method.n_of_m)

    if method.one_shot:
        if samples is None:
            raise HalfbyteError("one_shot looks at samples; give it x")
        obs.prune_once(model, layers, samples, kept)
    else:
        for layer in layers.values():
            layer.update_clip()
        masks.apply(layers, kept(get_score(method.score).of_weights(model, layers, samples)))
    zeros = sum(int((~layer.mask).sum()) for layer in layers.values() if layer.mask is not None)
    part = zeros / sum(layer.weight.numel() for layer in layers.values())
    return Pruned(part, 0.0, {path: (layer.out_channels,) * 2 for path, layer in layers.items()})
