# SPDX-License-Identifier: Apache-2.0
"""Pruning scores: what a weight, or a channel, is worth. A new one is one new file here, and one entry in SCORES."""

from __future__ import annotations

from training.errors import HalfbyteError
from training.prune.scores.base import Score
from training.prune.scores.fisher import Fisher
from training.prune.scores.group_l1 import GroupL1
from training.prune.scores.l0 import L0
from training.prune.scores.magnitude import Magnitude
from training.prune.scores.wanda import Wanda

__all__ = ["SCORES", "Score", "get_score"]

SCORES: dict[str, Score] = {score.name: score for score in (Magnitude(), Wanda(), Fisher(), GroupL1(), L0())}


def get_score(name: str) -> Score:
    """The score of that name; HalfbyteError lists the names there are."""
    if name not in SCORES:
        raise HalfbyteError(f"unknown pruning score '{name}'; there are {', '.join(SCORES)}")
    return SCORES[name]
