# SPDX-License-Identifier: Apache-2.0
"""Optimizers and learning rate schedules."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from training.layers import BitLayer
from training.layers.rowbits import RowBits

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.recipe import TrainSection


def make_optimizers(model: nn.Module, train: TrainSection, lr_bits: float = 0.0) -> list[torch.optim.Optimizer]:
    """The optimizer of the quantized matrices, then that of everything else; each group keeps its `base_lr`.

    lr_bits  of the bits of rows, where they are learned

    Muon: Jordan et al. 2024 (kellerjordan.github.io/posts/muon), steps with orthogonalized momentum.
    """
    matrices = [m.weight for m in model.modules() if isinstance(m, BitLayer)]
    for matrix in matrices:
        matrix.requires_grad_(train.only is None)  # no optimizer moves what has no gradient
    bits = [m.bits for m in model.modules() if isinstance(m, RowBits)]
    known = {id(p) for p in (*matrices, *bits)}
    others = [p for p in model.parameters() if id(p) not in known]
    make = {"adamw": torch.optim.AdamW, "muon": torch.optim.Muon}[train.optimizer]
    optimizers: list[torch.optim.Optimizer] = [make(matrices, lr=train.lr, weight_decay=train.weight_decay)]
    if others:
        optimizers.append(torch.optim.AdamW(others, lr=train.lr_other, weight_decay=0.0))
    if bits:
        optimizers.append(torch.optim.Adam(bits, lr=lr_bits))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return optimizers


def set_learning_rate(optimizers: list[torch.optim.Optimizer], factor: float) -> None:
    """Every group's learning rate = its base times factor."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor


def _cosine(epoch: float, epochs: int, milestones: tuple[int, ...]) -> float:  # noqa: ARG001 (one signature)
    return 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def _restarts(epoch: float, epochs: int, milestones: tuple[int, ...]) -> float:
    edges = [0, *milestones, epochs]
    start, end = next((a, b) for a, b in itertools.pairwise(edges) if epoch < b or b == edges[-1])
    return _cosine(epoch - start, end - start, ())


def _step(epoch: float, epochs: int, milestones: tuple[int, ...]) -> float:  # noqa: ARG001
    return float(0.1 ** sum(epoch >= m for m in milestones))


def _halve(epoch: float, epochs: int, milestones: tuple[int, ...]) -> float:  # noqa: ARG001
    return float(0.5 ** sum(epoch >= m for m in milestones))


# name -> (epoch, with its fraction; epochs in all; milestones) -> factor of the learning rate
SCHEDULES: dict[str, Callable[[float, int, tuple[int, ...]], float]] = {
    "cosine": _cosine,
    "restarts": _restarts,
    "step": _step,
    "halve": _halve,
}


def learning_rate_factor(train: TrainSection, epoch: float) -> float:
    """Factor of the learning rate at a point in training, in epochs, warm-up included."""
    milestones = train.milestones or (max(1, train.epochs // 2),)
    warm = min(1.0, (epoch + 1e-3) / train.warmup) if train.warmup else 1.0
    return warm * SCHEDULES[train.schedule](epoch, train.epochs, milestones)
