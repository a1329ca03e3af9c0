# SPDX-License-Identifier: Apache-2.0
"""Channels removed for real: smaller dense layers, in place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from torch import Tensor

    from training.layers import BitLayer
    from training.prune.ties import Tie, Ties


@torch.no_grad()
def remove(model: nn.Module, ties: Ties, gone: Tensor) -> None:
    """Take groups of channels out of a model, with everything that was learned about them.

    gone  # (ties.count + 1,) bool, number 0 of what cannot go

    HalfbyteError where a layer would have none left. Parameters that shrink are new ones: make optimizers afterwards.
    """
    if gone[0]:
        raise HalfbyteError("group 0 holds what cannot go: inputs, scores, and what is tied to them")
    if path := ties.emptied(gone):
        raise HalfbyteError(
            f"{path}: every one of its {len(ties.layers[path].rows)} channels would go; keep one at least"
        )
    for path, tie in ties.layers.items():
        _cut(ties.layer(model, path), tie, gone)


def _cut(layer: BitLayer, tie: Tie, gone: Tensor) -> None:
    rows, columns = ~gone[tie.rows], ~gone[tie.columns]
    unit = layer.score_unit()
    if not rows.all():
        _cut_rows(layer, rows)
    if not columns.all():
        layer.weight = nn.Parameter(layer.weight.data[:, columns].contiguous())
        if layer.mask is not None:
            layer.mask = layer.mask[:, columns].contiguous()
        layer.fan_in = int(columns.sum())
    if tie.inputs is not None:
        layer.in_channels = int((~gone[tie.inputs]).sum())  # type: ignore[assignment]
        if tie.depthwise:
            layer.groups = layer.in_channels
    if layer.temperature is not None:  # logits and bias stay what they are, in units that follow the width
        change = layer.score_unit() / unit
        layer.temperature.data.add_(math.log(change))
        if layer.bias is not None:
            layer.bias.bias.data.div_(change)
            layer.bias.unit *= change


def _cut_rows(layer: BitLayer, rows: Tensor) -> None:
    """Of every tensor of the layer and its requantizer that has an entry for each channel."""
    n = len(rows)
    for module in layer.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.dim() and len(parameter) == n:
                kept = parameter.data[rows].contiguous()
                setattr(module, name, nn.Parameter(kept, requires_grad=parameter.requires_grad))
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.dim() and len(buffer) == n:
                setattr(module, name, buffer[rows].contiguous())
    layer.out_channels = int(rows.sum())
    if layer.requant is not None:
        layer.requant.channels = layer.out_channels
