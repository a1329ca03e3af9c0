# SPDX-License-Identifier: Apache-2.0
"""How many channels of each layer go: one at a time, the one that is worth least for what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Literal

import torch

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from torch import Tensor

    from training.prune.ties import Ties

Cost = Literal["weights", "products"]


@dataclass(frozen=True)
class Goal:
    """The fraction of the weights, or of the products of a sample, that is to go.

    multiple  of how many channels every layer keeps: kernels make several at once
    """

    sparsity: float
    cost: Cost
    multiple: int = 1


def choose(ties: Ties, scores: Tensor, goal: Goal, *, per_cost: bool) -> Tensor:
    """The groups of channels that go so that at least the goal is reached.  # (ties.count + 1,) bool

    scores    of every group  # (ties.count,)
    per_cost  divide scores by what is saved, as layers are now; otherwise the score alone decides

    No layer loses its last channel. HalfbyteError says the nearest fraction that can be reached.
    """
    if goal.multiple > 1:
        return _choose_blocks(ties, scores, goal, per_cost=per_cost)
    total = getattr(ties, goal.cost)
    gone = torch.zeros(ties.count + 1, dtype=torch.bool)
    dense = left = total(gone)
    most = dense * (1 - goal.sparsity)
    scores = torch.cat([torch.full((1,), torch.inf), scores.double().cpu()])
    while left > most:
        possible = torch.nonzero(~gone & ~_last_ones(ties, gone)).flatten()
        possible = possible[possible > 0]
        if not len(possible):
            reached = 1 - left / dense
            raise HalfbyteError(
                f"sparsity {goal.sparsity:g}: with one channel left in every layer, {reached:.4f} of the {goal.cost} "
                "are gone, which is the nearest that can be reached"
            )
        worth = scores[possible]
        if per_cost:
            worth = worth / savings(ties, gone, goal.cost)[possible].clamp_min(1)
        gone[possible[worth.argmin()]] = True
        left = total(gone)
    for group in sorted(torch.nonzero(gone).flatten().tolist(), key=lambda g: -float(scores[g])):
        gone[group] = False  # the last one may have saved more than was missing: others may stay then
        gone[group] = total(gone) > most
    return gone


def _choose_blocks(ties: Ties, scores: Tensor, goal: Goal, *, per_cost: bool) -> Tensor:
    """As `choose`, where every layer that loses channels keeps a multiple of some number."""
    total = getattr(ties, goal.cost)
    gone = torch.zeros(ties.count + 1, dtype=torch.bool)
    dense = left = total(gone)
    most = dense * (1 - goal.sparsity)
    scores = torch.cat([torch.full((1,), torch.inf), scores.double().cpu()])
    blocks = []
    while left > most:
        found = []
        for groups in _together(ties):
            alive = groups[~gone[groups]]
            size = len(alive) % goal.multiple or goal.multiple
            if size < len(alive):
                block = alive[scores[alive].argsort()[:size]]
                saved = left - total(gone.index_fill(0, block, value=True))
                found.append(
                    (float(scores[block].sum()) / max(saved, 1) if per_cost else float(scores[block].mean()), block)
                )
        if not found:
            raise HalfbyteError(
                f"sparsity {goal.sparsity:g}: with {goal.multiple} channels or fewer left in every layer, "
                f"{1 - left / dense:.4f} of the {goal.cost} are gone, which is the nearest that can be reached"
            )
        _, block = min(found, key=itemgetter(0))
        gone[block] = True
        blocks.append(block)
        left = total(gone)
    for block in reversed(blocks):
        gone[block] = False
        gone[block] = total(gone) > most
    return gone


def _together(ties: Ties) -> list[Tensor]:
    """The groups that can go, by the layers whose channels they are."""
    layers: dict[int, tuple[str, ...]] = {}
    for path, tie in ties.layers.items():
        for group in tie.rows.unique().tolist():
            layers[group] = (*layers.get(group, ()), path)
    layers.pop(0, None)
    return [
        torch.tensor([group for group, of in layers.items() if of == paths]) for paths in dict.fromkeys(layers.values())
    ]


def _last_ones(ties: Ties, gone: Tensor) -> Tensor:
    """Groups without which a layer would make nothing.  # (ties.count + 1,) bool"""
    last = torch.zeros_like(gone)
    for tie in ties.layers.values():
        left = tie.rows[~gone[tie.rows]].unique()
        if len(left) == 1:
            last[left] = True
    return last


def savings(ties: Ties, gone: Tensor, cost: Cost) -> Tensor:
    """What each group would save, alone, with those that are gone already.  # (ties.count + 1,)"""
    saved = torch.zeros(len(gone), dtype=torch.float64)
    for tie in ties.layers.values():
        rows, columns = (
            torch.bincount(ids[~gone[ids]], minlength=len(gone)).double() for ids in (tie.rows, tie.columns)
        )
        without = (rows.sum() - rows) * (columns.sum() - columns)
        saved += (rows.sum() * columns.sum() - without) * (tie.pixels if cost == "products" else 1)
    return saved
