# SPDX-License-Identifier: Apache-2.0
"""Random convolutional networks: everything that works on maps, all else at random, never refused at export."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from exporter.randomnet import Dice, finish, hidden_options, input_options, weight_options
from training.layers import (
    Activation,
    Add,
    AvgPool1d,
    AvgPool2d,
    BitConv1d,
    BitConv2d,
    BitLinear,
    Concat,
    GlobalAvgPool,
    Input,
    LayerNorm,
    RMSNorm,
)
from training.layers.activation import FUNCTIONS
from training.layers.norm import LAYER_MAX
from training.requant import REQUANTS

MAX_SIDE, MAX_LENGTH = 14, 40
LARGE_SIDE, LARGE_LENGTH = 40, 700  # of every tenth network, for means of more pixels than a multiplier divides by
MAX_CHANNELS = 9
MAX_DEPTH = 6
if TYPE_CHECKING:
    from collections.abc import Callable

POOLS: dict[int, tuple[type[nn.Module], ...]] = {1: (nn.MaxPool1d, AvgPool1d), 2: (nn.MaxPool2d, AvgPool2d)}
CONVS: dict[int, type[BitConv1d | BitConv2d]] = {1: BitConv1d, 2: BitConv2d}


class Residual(nn.Module):
    """What comes in, plus what a branch makes of it."""

    def __init__(self, branch: nn.Module, *, shortcut: nn.Module, add: Add) -> None:
        super().__init__()
        self.branch, self.shortcut, self.add = branch, shortcut, add

    def forward(self, x: Tensor) -> Tensor:
        return self.add(self.branch(x), self.shortcut(x))


class Branches(nn.Module):
    """Two or three branches side by side, concatenated."""

    def __init__(self, *branches: nn.Module, concat: Concat) -> None:
        super().__init__()
        self.branches, self.concat = nn.ModuleList(branches), concat

    def forward(self, x: Tensor) -> Tensor:
        return self.concat(*[branch(x) for branch in self.branches])


def random_map_network(seed: int) -> nn.Sequential:
    """A network of convolutions of images or series and whatever else takes maps, in eval().

    Kernels 1 ... 7, strides, paddings, groups, formats, requantizers, poolings, residual sums, concatenations, tables;
    trained for a step or with weights and statistics of all sizes. The global random state is left as it was.
    """
    dice = Dice(np.random.default_rng((seed, 2)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _build(dice, large=seed % 10 == 9)
        finish(model, dice)
    return model.eval()


def _build(dice: Dice, *, large: bool) -> nn.Sequential:
    dims = dice.one_of(1, 2, 2)
    first, shape = _input(dice, dims, large=large)
    layers: OrderedDict[str, nn.Module] = OrderedDict({"input": first})
    if first.channels is None:
        layers["unflatten"] = nn.Unflatten(1, (1, first.out_shape[0]))
    signed, scaled = first.lo < 0, True
    for index in range(1, 1 + int(dice.rng.integers(1, 3 if large else MAX_DEPTH))):
        block, shape, signed, here = _block(dice, shape, signed=signed, scaled=scaled)
        scaled &= here
        layers[f"{dice.one_of('conv', 'x', 'rows', 'Block')}{index}"] = block
    if large or dice.chance(0.3):
        layers["mean"], shape = GlobalAvgPool(), (shape[0],)
    layers["flatten"] = nn.Flatten()
    width = int(np.prod(shape))
    if dice.chance(0.5):
        out = dice.width()
        options = hidden_options(dice)
        scaled &= options["requant"] != "maxshift"
        layers["fc"], width = BitLinear(width, out, **options), out
    layers["last"] = BitLinear(
        width, dice.width(), requant=None, bias=scaled and dice.chance(0.5), **weight_options(dice)
    )
    return nn.Sequential(layers)


def _input(dice: Dice, dims: int, *, large: bool) -> tuple[Input, tuple[int, ...]]:
    """The input rule, and (channels, *size) behind it."""
    options = input_options(dice)
    low, high = (1, MAX_LENGTH) if dims == 1 else (1, MAX_SIDE)
    if large:
        low, high = (high + 1, LARGE_LENGTH if dims == 1 else LARGE_SIDE)
    size = tuple(int(dice.rng.integers(low, high + 1)) for _ in range(dims))
    channels = dice.one_of(None, "first", "last")
    if channels is None:
        return Input(size, **options), (1, *size)
    count = int(dice.rng.integers(1, 5))
    raw = (count, *size) if channels == "first" else (*size, count)
    return Input(raw, channels=channels, **options), (count, *size)


Made = tuple[nn.Module, tuple[int, ...], bool, bool]  # module, shape behind it, signed?, on a fixed scale?


def _block(dice: Dice, shape: tuple[int, ...], *, signed: bool, scaled: bool) -> Made:
    kinds = ["conv"] * 4 + ["depthwise"] * 2 + ["pool", "pool", "activation", "norm"]
    kinds += ["residual", "branches"] if scaled else []
    return BLOCKS[dice.one_of(*kinds)](dice, shape, signed)


def _conv(dice: Dice, shape: tuple[int, ...], _signed: bool, *, scaled: bool = False, **fixed: Any) -> Made:  # noqa: ANN401, FBT001
    channels, *size = shape
    groups = fixed.get("groups", dice.one_of(1, 1, *[n for n in range(1, channels + 1) if channels % n == 0]))
    out = groups * int(dice.rng.integers(1, max(MAX_CHANNELS // groups, 1) + 1))
    kernel = [dice.one_of(1, 2, 3, 3, 3, 5, 7) for _ in size]
    stride = [dice.one_of(1, 1, 1, 2, 3) for _ in size]
    padding = [dice.one_of(0, k // 2, k // 2, k - 1) for k in kernel]
    if fixed.get("same"):
        kernel = [k | 1 for k in kernel]
        stride, padding = [1] * len(size), [k // 2 for k in kernel]
    padding = [max(p, -(-(k - n) // 2)) for n, k, p in zip(size, kernel, padding, strict=True)]
    options = hidden_options(dice, ("shift", "mulshift") if scaled else tuple(REQUANTS))
    module = CONVS[len(size)](
        channels,
        fixed.get("out", out),
        tuple(kernel),
        stride=tuple(stride),
        padding=tuple(padding),
        groups=groups,
        **options,
    )
    after = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True)]
    return module, (module.out_channels, *after), options["signed"], options["requant"] != "maxshift"


def _depthwise(dice: Dice, shape: tuple[int, ...], signed: bool) -> Made:  # noqa: FBT001
    return _conv(dice, shape, signed, groups=shape[0], out=shape[0])


def _pool(dice: Dice, shape: tuple[int, ...], signed: bool) -> Made:  # noqa: FBT001
    channels, *size = shape
    kind = dice.one_of(*POOLS[len(size)])
    kernel = [min(n, dice.one_of(1, 2, 2, 3, 4)) for n in size]
    stride = [dice.one_of(1, k, 2) for k in kernel]
    padding = [dice.one_of(0, 0, k // 2) for k in kernel]
    module = kind(*(tuple(v) if len(size) > 1 else v[0] for v in (kernel, stride, padding)))
    after = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True)]
    return module, (channels, *after), signed, True


def _activation(dice: Dice, shape: tuple[int, ...], signed: bool) -> Made:  # noqa: FBT001
    if dice.chance(0.3):
        return nn.ReLU(), shape, False, True
    module = Activation(dice.one_of(*FUNCTIONS), unit_in=float(dice.one_of(8, 21.5, 40)), signed_in=signed)
    return module, shape, module.lo < 0, True


def _norm(dice: Dice, shape: tuple[int, ...], _signed: bool) -> Made:  # noqa: FBT001
    kinds = (RMSNorm, LayerNorm) if np.prod(shape) <= LAYER_MAX else (RMSNorm,)
    norm = dice.one_of(*kinds)(unit=float(dice.one_of(4, 32, 100.5)), bits=dice.one_of(8, 4), signed=dice.chance(0.5))
    return norm, shape, norm.lo < 0, True


def _residual(dice: Dice, shape: tuple[int, ...], signed: bool) -> Made:  # noqa: FBT001
    branch, *_ = _conv(dice, shape, signed, scaled=True, same=True, groups=1, out=shape[0])
    if dice.chance(0.3):
        branch = nn.Sequential(branch, _conv(dice, shape, signed, scaled=True, same=True, groups=1, out=shape[0])[0])
    add = Add(bits=dice.one_of(8, 4), signed=dice.chance(0.5))
    shortcut: nn.Module = nn.Identity()
    if dice.chance(0.3):
        shortcut, *_ = _conv(dice, shape, signed, scaled=True, same=True, groups=1, out=shape[0])
    return Residual(branch, shortcut=shortcut, add=add), shape, add.lo < 0, True


def _branches(dice: Dice, shape: tuple[int, ...], signed: bool) -> Made:  # noqa: FBT001
    count = dice.one_of(2, 3)
    made = [_conv(dice, shape, signed, scaled=True, same=True) for _ in range(count)]
    branches = [module for module, *_ in made]
    channels = sum(after[0] for _, after, *_ in made)
    if dice.chance(0.3):
        branches[0], channels = nn.Identity(), channels - made[0][1][0] + shape[0]
    concat = Concat(bits=dice.one_of(8, 4), signed=dice.chance(0.5), inputs=count)
    return Branches(*branches, concat=concat), (channels, *shape[1:]), concat.lo < 0, True


BLOCKS: dict[str, Callable[[Dice, tuple[int, ...], bool], Made]] = {
    "conv": _conv,
    "depthwise": _depthwise,
    "pool": _pool,
    "activation": _activation,
    "norm": _norm,
    "residual": _residual,
    "branches": _branches,
}
