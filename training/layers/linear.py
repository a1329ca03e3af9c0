# SPDX-License-Identifier: Apache-2.0
"""Fully connected layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from torch.nn import functional

from training.layers.base import BitLayer, BitOptions

if TYPE_CHECKING:
    from torch import Tensor

if TYPE_CHECKING:
    from torch import Tensor


class BitLinear(BitLayer):
    """A fully connected layer of quantized weights: (n, in_features) activations -> (n, out_features).

    Options as in `BitLayer`. In eval(), and behind `requant=None`, the result is the integers of SPEC 5.
    """

    def __init__(self, in_features: int, out_features: int, **options: Unpack[BitOptions]) -> None:
        super().__init__(out_features, in_features, **options)

    def _sums(self, x: Tensor, levels: Tensor) -> Tensor:
        return functional.linear(x, levels)
