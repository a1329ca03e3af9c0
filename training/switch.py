# SPDX-License-Identifier: Apache-2.0
"""Quantization that changes during training: with more bits, or another format, for the first epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.layers import BitLayer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import nn

    from training.recipe import Switch


def own_formats(model: nn.Module) -> dict[str, str]:
    """The format of every layer with weights, by path: what it has in the end."""
    layers = {path: module for path, module in model.named_modules() if isinstance(module, BitLayer)}
    return {path: "float" if layer.fmt is None else layer.fmt.name for path, layer in layers.items()}


def through(switches: Sequence[Switch]) -> int:
    """Epochs after which every layer has its own format."""
    return switches[-1].until if switches else 0


def set_formats(models: Iterable[nn.Module], own: Mapping[str, str], switches: Sequence[Switch], epoch: int) -> None:
    """Give the layers of models the format of an epoch, counted from 0: that of the first switch that is not over."""
    now = next((switch.format for switch in switches if epoch < switch.until), None)
    for model in models:
        for path, has in own_formats(model).items():
            wanted = now or own[path]
            if has != wanted:
                model.get_submodule(path).change_format(wanted)  # type: ignore[operator]
