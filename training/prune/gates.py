# SPDX-License-Identifier: Apache-2.0
"""Factors on the channels of a network, one for each group of channels that go together."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from training.prune.ties import Ties


@contextmanager
def gated(model: nn.Module, ties: Ties, gates: Tensor) -> Iterator[None]:
    """While this lasts, what every layer makes is multiplied by the gates of its channels.

    gates  (n, ties.count + 1) for every sample its own, or (1, ties.count + 1); number 0 is of what cannot go, and is
           taken for 1
    """
    hooks = [
        ties.layer(model, path).register_forward_hook(_times(gates, tie.rows)) for path, tie in ties.layers.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _times(gates: Tensor, rows: Tensor) -> Callable[[nn.Module, object, Tensor], Tensor]:
    fixed = (rows == 0).to(gates.device)

    def hook(_: nn.Module, __: object, y: Tensor) -> Tensor:
        factors = torch.where(fixed, torch.ones_like(gates[:, :1]), gates[:, rows.to(gates.device)])
        return y * factors.view(*factors.shape, *[1] * (y.dim() - 2)).to(y)

    return hook


@torch.no_grad()
def fold(model: nn.Module, ties: Ties, gates: Tensor) -> None:
    """Put the gates into the weights that read what they were on; what lies between takes them for constants.

    gates  # (ties.count + 1,)
    """
    factors = gates.detach().clone()
    factors[0] = 1
    for path, tie in ties.layers.items():
        weight = ties.layer(model, path).weight.data
        of_rows, of_columns = (factors[ids.to(factors.device)].to(weight) for ids in (tie.rows, tie.columns))
        weight *= of_rows[:, None] if tie.depthwise else of_columns[None, :]
