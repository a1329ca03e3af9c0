# SPDX-License-Identifier: Apache-2.0
"""Clip scales: the width of one level step, chosen from the weights themselves.

A scale is a pure function of the weights, so computing it twice changes nothing. Weights are (groups, n): one group for
a scale per tensor, one for each output channel otherwise. Scales are (groups, 1) and positive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from training.quantize import nearest_level

if TYPE_CHECKING:
    from training.formats import Format

# candidates around the proportional scale, 0.35 ... 2.8 times: evenly distributed weights need the low end
_GRID = torch.cat([torch.linspace(-1.5, -1.0625, 8), torch.linspace(-1.0, 1.5, 41)]).exp2()
_SAMPLE = 4096  # weights of a group that the grid looks at
_AT_ONCE = 1 << 18  # weights that are tried against the grid together, to bound memory
_SMALLEST = 1e-12


# scale / mean|w| with the least squared error for normally distributed weights: `find_gaussian_ratio` of each format
GAUSSIAN_RATIO = {
    "binary": 0.9989237463077928,
    "ternary": 1.533293814841281,
    "sym2": 0.6243531198916317,
    "sym4": 0.20950440928206268,
    "int4": 0.4239808529368205,
    "shift4": 0.04044231328219811,
    "nf4": 0.02823305993322607,
    "sym5": 0.11723765002967908,
    "int8": 0.03587649240462532,
}


def find_gaussian_ratio(fmt: Format) -> float:
    """An entry of GAUSSIAN_RATIO, by trying 2,000 scales; takes a second."""
    probability = (np.arange(4096) + 0.5) / 4096
    # quantiles of the standard normal without SciPy: invert the error function through torch
    w = torch.erfinv(torch.as_tensor(2 * probability - 1)) * 2**0.5
    scales = torch.logspace(-3, 1, 2000, dtype=w.dtype, base=10.0)
    error = torch.stack([(nearest_level(w / s, fmt) * s - w).square().mean() for s in scales])
    return float(scales[error.argmin()] / w.abs().mean())


def proportional(w: Tensor, fmt: Format) -> Tensor:
    """A fixed multiple of the mean of |w|, pruned ones apart: the best if the others were normally distributed."""
    kept = w.count_nonzero(dim=1).clamp_min(1)[:, None]
    return (w.abs().sum(dim=1, keepdim=True) / kept * GAUSSIAN_RATIO[fmt.name]).clamp_min(_SMALLEST)


def _best_candidate(start: Tensor, w: Tensor, fmt: Format) -> Tensor:
    """The multiple of start (groups, 1) in the grid with the least squared error of w.  # (groups, 1)"""
    candidates = start * _GRID.to(w)  # (groups, n_grid)
    z = w[:, None, :] / candidates[:, :, None]
    error = nearest_level(z, fmt).sub_(z).mul_(candidates[:, :, None]).square_().sum(dim=2)
    return candidates.gather(1, error.argmin(dim=1, keepdim=True))


def octav(w: Tensor, fmt: Format) -> Tensor:
    """The scale with the least mean squared quantization error: OCTAV's objective, for any codebook.

    Sakr et al. 2022 (arXiv 2206.06501) find it for uniform levels with Newton's method and a model of the rounding
    noise. Here the error is the real one: the best of a grid, then the fixed point s = <w, L> / <L, L> at which the
    derivative of the error is zero for the levels L that are chosen.
    """
    sample = w[:, :: max(1, w.shape[1] // _SAMPLE)]  # enough to tell the candidates apart
    rows = max(1, _AT_ONCE // sample.shape[1])
    parts = zip(proportional(w, fmt).split(rows), sample.split(rows), strict=True)
    scale = torch.cat([_best_candidate(start, part, fmt) for start, part in parts])
    for _ in range(4):
        level = nearest_level(w / scale, fmt)
        energy = level.square().sum(dim=1, keepdim=True)
        scale = torch.where(energy > 0, (w * level).sum(dim=1, keepdim=True) / energy.clamp_min(1), scale)
    return scale.clamp_min(_SMALLEST)


# "learned" starts at OCTAV's scale and is a parameter from then on (`layers.BitLayer`).
CLIPS = {"octav": octav, "proportional": proportional, "learned": octav}
