# SPDX-License-Identifier: Apache-2.0
"""Wanda: a weight is worth its size times that of the activations it is multiplied by."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.layers import BitLayer
from training.prune.scores.base import Layers, Score, beside_larger

if TYPE_CHECKING:
    from training.prune.choose import Goal
    from training.prune.samples import Samples
    from training.prune.ties import Ties


class Wanda(Score):
    """|w| * rms of its input, in units of each layer's clip scale (Sun et al. 2023, arXiv 2306.11695).

    Of a channel: what the weights that read it bring, beside what those of other channels do that bring no less.
    """

    name = "wanda"
    needs_classes = False

    @torch.no_grad()
    def of_weights(self, model: nn.Module, layers: Layers, samples: Samples | None) -> dict[str, Tensor]:
        rms = input_rms(model, list(layers), self.needed(samples))
        return {
            path: layer.quantizer_input().view_as(layer.weight).abs() * _of_rows(rms[path], layer)
            for path, layer in layers.items()
        }

    @torch.no_grad()
    def of_channels(self, model: nn.Module, ties: Ties, samples: Samples | None, goal: Goal) -> Tensor:  # noqa: ARG002
        layers = {path: ties.layer(model, path) for path in ties.layers}
        total = torch.zeros(ties.count + 1)
        for path, score in self.of_weights(model, layers, samples).items():
            columns = ties.layers[path].columns
            if not columns.any():  # depthwise: what it reads goes with what it makes
                continue
            of_group = torch.zeros_like(total).index_add_(0, columns, score.sum(0).float().cpu())
            read = columns.unique()
            total[read] += beside_larger(of_group[read])
        return total[1:]


def _of_rows(rms: Tensor, layer: BitLayer) -> Tensor:
    """Root mean squares of all inputs, for every row those it reads.  # (out_channels, fan_in), or (1, fan_in)"""
    groups = getattr(layer, "groups", 1)
    return rms.view(groups, layer.fan_in).repeat_interleave(layer.out_channels // groups if groups > 1 else 1, 0)


@torch.no_grad()
def input_rms(model: nn.Module, paths: list[str], samples: Samples) -> dict[str, Tensor]:
    """Root mean square of everything that a layer multiplies.  # path: (groups * fan_in,)"""
    copied = copy.deepcopy(model).train()
    squares: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def note(path: str) -> None:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            assert isinstance(layer, BitLayer)
            square, count = _squares(layer, inputs[0])
            squares[path] = squares[path] + square if path in squares else square
            counts[path] = counts.get(path, 0) + count

        copied.get_submodule(path).register_forward_pre_hook(hook)

    for path in paths:
        note(path)
    for x, _ in samples.calibration():
        copied(x)
    return {path: (square / counts[path]).sqrt() for path, square in squares.items()}


def _squares(layer: BitLayer, x: Tensor) -> tuple[Tensor, int]:
    """Sum of the squares of every input over samples and positions, and how many they are."""
    kernel = getattr(layer, "kernel_size", None)
    if kernel is None:
        return x.float().square().sum(0), len(x)
    # a convolution of the squares with ones, at each position of the kernel: the mean of the map is near enough
    mean = functional.adaptive_avg_pool1d(x.float().square().flatten(2), 1).flatten(1)  # (n, channels)
    pixels = layer.fan_in * getattr(layer, "groups", 1) // mean.shape[1]
    return mean.sum(0).repeat_interleave(pixels), len(x)
