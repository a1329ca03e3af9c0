# SPDX-License-Identifier: Apache-2.0
"""One-shot pruning with second-order compensation: the weights that stay absorb what the others did, and the rounding.

Layer by layer, from calibration samples alone. Optimal Brain Surgeon (Hassibi & Stork 1992) as in SparseGPT (Frantar &
Alistarh 2023, arXiv 2301.00774), except that each neuron has the exact least squares of its own mask: networks for
microcontrollers are small enough for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.layers import BitConv1d, BitConv2d, BitLayer
from training.quantize import nearest_level

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.prune.samples import Samples
    from training.prune.scores.base import Layers

DAMPING = 0.01  # of the mean of the diagonal, so that inputs which are never there have an inverse
AT_ONCE = 16  # samples whose windows are held together


@torch.no_grad()
def prune_once(
    model: nn.Module, layers: Layers, samples: Samples, choose: Callable[[dict[str, Tensor]], dict[str, Tensor]]
) -> None:
    """Prune these layers of a model; their levels are final then, and their clip scales frozen.

    choose  masks from the scores of the weights, see `training.prune.masks`; a score is the squared error of the
            layer's sums that the weight costs, the others compensated, beside all of the layer's
    """
    model.eval()
    grams = {path: gram(model, path, samples) for path in layers}
    kept = choose({path: _costs(layer, grams[path]) for path, layer in layers.items()})
    for path, layer in layers.items():
        compensate(layer, gram(model, path, samples), kept[path])
    recalibrate(model, samples)


def recalibrate(model: nn.Module, samples: Samples) -> None:
    """Let statistics of batches and of ranges follow the calibration samples; no parameter changes."""
    model.train()
    with torch.no_grad():
        for x, _ in samples.calibration():
            model(x)
    model.eval()


@torch.no_grad()
def gram(model: nn.Module, path: str, samples: Samples) -> Tensor:
    """Mean products of every two inputs that meet in a sum of the layer.  # (groups, fan_in, fan_in) float64"""
    layer = model.get_submodule(path)
    assert isinstance(layer, BitLayer)
    total = torch.zeros((), dtype=torch.float64)
    count = 0

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal total, count
        for part in inputs[0].split(AT_ONCE):
            windows = _windows(layer, part.double())
            total = total + windows.transpose(1, 2) @ windows
            count += windows.shape[1]

    hook = layer.register_forward_pre_hook(note)
    try:
        for x, _ in samples.calibration():
            model(x)
    finally:
        hook.remove()
    return total / count


def _windows(layer: BitLayer, x: Tensor) -> Tensor:
    """Everything that the rows of a layer are multiplied by.  # (groups, n, fan_in)"""
    if not isinstance(layer, (BitConv1d, BitConv2d)):
        return x[None]
    one = (1,) * (2 - layer.dims)  # a series is an image one pixel high
    flat = x.unsqueeze(2) if one else x
    kernel, stride, padding = one + layer.kernel_size, one + layer.stride, (0,) * len(one) + layer.padding
    patches = functional.unfold(flat, kernel, padding=padding, stride=stride)  # (n, in_channels * pixels, positions)
    return patches.transpose(1, 2).reshape(-1, layer.groups, layer.fan_in).transpose(0, 1)


def _damped(h: Tensor) -> Tensor:
    mean = h.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(1e-9)
    return h + DAMPING * mean[..., None, None] * torch.eye(h.shape[-1], dtype=h.dtype, device=h.device)


def _by_row(layer: BitLayer, per_group: Tensor) -> Tensor:
    """What belongs to a group, for every row of it.  # (out_channels, ...)"""
    return per_group.repeat_interleave(layer.out_channels // len(per_group), 0)


def _costs(layer: BitLayer, h: Tensor) -> Tensor:
    """w^2 / (H^-1)_jj beside the mean square of the layer's sums.  # (out_channels, fan_in)"""
    w = layer.quantizer_input().view_as(layer.weight).double()
    diagonal = torch.linalg.inv(_damped(h)).diagonal(dim1=1, dim2=2)
    cost = w.square() / _by_row(layer, diagonal)
    return cost / output_error(layer, h, torch.zeros_like(w), w).clamp_min(1e-12)


def output_error(layer: BitLayer, h: Tensor, w: Tensor, wanted: Tensor) -> Tensor:
    """Sum over channels of the mean square of the difference that two matrices make in the sums.  # ()"""
    difference = (w - wanted).view(len(h), -1, layer.fan_in)
    return ((difference @ h) * difference).sum()


@torch.no_grad()
def compensate(layer: BitLayer, h: Tensor, kept: Tensor) -> None:
    """Prune a layer to a mask and round it to its levels, each weight's error passed on to those not yet rounded.

    h     from `gram`
    kept  # (out_channels, fan_in) bool
    """
    layer.update_clip()
    z = layer.quantizer_input().view_as(layer.weight).double()
    damped = _damped(h)
    rows = [_fitted(z[o], kept[o], damped[o * len(h) // len(z)], layer) for o in range(len(z))]
    levels = torch.stack(rows)
    layer.prune(kept)
    layer.weight.copy_(levels.view(len(layer.clip_scale), -1).mul(layer.clip_scale).view_as(layer.weight))
    layer.freeze_clip()


def _fitted(z: Tensor, kept: Tensor, h: Tensor, layer: BitLayer) -> Tensor:
    """The levels of one row, 0 where it is pruned.  # (fan_in,)"""
    index = torch.nonzero(kept).flatten()
    row = torch.zeros_like(z)
    if not len(index):
        return row
    index = index[h.diagonal()[index].argsort(descending=True, stable=True)]  # the largest inputs first
    own = h[index][:, index]
    rest = torch.linalg.solve(own, h[index] @ z)
    upper = torch.linalg.cholesky(torch.linalg.inv(own), upper=True)
    for j, at in enumerate(index.tolist()):
        level = rest[j].clone() if layer.fmt is None else nearest_level(rest[j : j + 1], layer.fmt)[0]
        rest[j:] -= (rest[j] - level) / upper[j, j] * upper[j, j:]
        row[at] = level
    return row
