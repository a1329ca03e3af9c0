# SPDX-License-Identifier: Apache-2.0
"""Networks that nobody would train: every option at random, to be exported and compared integer by integer."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from training.errors import HalfbyteError
from training.formats import FORMATS, RAW_TYPES
from training.layers import BitLayer, BitLinear, Input
from training.requant import REQUANTS, MulShift, Shift, activation_range

MAX_DEPTH = 5
MAX_WIDTH = 300
SIGNED = (None, True, False)
NAMES = ("x", "scores", "arena", "max", "int", "FC", "fc", "fc_w", "1", "hidden layer", "block")  # hard ones for C


@dataclass
class Dice:
    """Random choices; the same for the same seed on every machine."""

    rng: np.random.Generator

    def one_of(self, *values: Any) -> Any:  # noqa: ANN401 (whatever goes in)
        """One of the values."""
        return values[int(self.rng.integers(len(values)))]

    def chance(self, probability: float) -> bool:
        """True as often as that."""
        return bool(self.rng.random() < probability)

    def width(self) -> int:
        """1 ... MAX_WIDTH, small ones and those around a whole byte more often."""
        if self.chance(0.3):
            return int(self.rng.integers(1, 20))
        return int(min(MAX_WIDTH, np.exp(self.rng.uniform(0, np.log(MAX_WIDTH + 1)))))

    def spread(self, count: int, low: float, high: float) -> torch.Tensor:
        """Numbers of either sign and all sizes between 2^low and 2^high, a few of them 0.  # (count,) float64"""
        size = np.exp2(self.rng.uniform(low, high, count))
        sign = self.rng.choice((-1.0, 1.0, 0.0), count, p=(0.45, 0.45, 0.1))
        return torch.as_tensor(size * sign)


def random_network(seed: int) -> nn.Module:
    """A network of supported layers, all else at random, in eval() and never refused at export.

    Depth 1 ... 5, widths 1 ... 300, formats, requantizers, norms, bits, signs, scales, input rules; either trained for
    a step, or with weights and statistics of all sizes.

    The global random state is left as it was.
    """
    dice = Dice(np.random.default_rng(seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _build(dice)
        finish(model, dice)
    return model.eval()


def make_sparse(model: nn.Module, seed: int) -> nn.Module:
    """Prune some of its layers, and give some rows of 8-bit layers bits of their own; the others stay as they are."""
    dice = Dice(np.random.default_rng((seed, 3)))
    for layer in (module for module in model.modules() if isinstance(module, BitLayer)):
        with suppress(HalfbyteError):  # not of every format, nor of centered weights
            if dice.chance(0.6):
                layer.check_prunable()
                mask = torch.as_tensor(dice.rng.random(layer.weight.shape) < dice.one_of(0.1, 0.3, 0.6))
                mask[0, 0] = True  # one at least is left
                layer.prune(mask)
        with suppress(HalfbyteError):
            if dice.chance(0.6):
                layer.learn_bits()
                assert layer.row_bits is not None
                with torch.no_grad():
                    layer.row_bits.bits.copy_(torch.as_tensor(dice.rng.uniform(1, 8, layer.row_bits.bits.shape)))
    return model.eval()


def finish(model: nn.Sequential, dice: Dice) -> None:
    """Train it for a step, or give it weights and statistics of all sizes."""
    if dice.chance(0.5):
        _train_a_step(model)
    else:
        _randomize(model, dice)


def _build(dice: Dice) -> nn.Sequential:
    first = _input(dice)
    layers: OrderedDict[str, nn.Module] = OrderedDict({"input": first, "flatten": nn.Flatten()})
    width, in_max, scaled = int(np.prod(first.out_shape)), 127, True
    for index in range(int(dice.rng.integers(MAX_DEPTH))):
        options = hidden_options(dice)
        scaled &= options["requant"] != "maxshift"
        out = dice.width()
        name = dice.one_of(f"fc{index}", *NAMES)
        layers[name if name not in layers else f"fc{index}"] = BitLinear(width, out, in_max=in_max, **options)
        if dice.chance(0.1):
            layers[f"nothing{index}"] = dice.one_of(nn.Identity(), nn.Dropout(0.5), nn.Sequential(nn.Flatten()))
        width, in_max = out, dice.one_of(127, activation_range(options["bits"], signed=options["signed"])[1])
    bias = scaled and dice.chance(0.5)
    layers["last"] = BitLinear(width, dice.width(), requant=None, bias=bias, in_max=in_max, **weight_options(dice))
    return nn.Sequential(layers)


def input_options(dice: Dice) -> dict[str, Any]:
    """Type, sign and scale of an input rule."""
    dtype = dice.one_of(*RAW_TYPES)
    options: dict[str, Any] = {"dtype": dtype, "signed": dice.one_of(*SIGNED)}
    if dice.chance(0.7):
        options["shift"] = int(dice.rng.integers(16 if dtype == "int16" else 5))
        options["offset"] = dice.one_of(0, -32768, 32767, *map(int, dice.rng.integers(-300, 300, 3)))
    return options


def _input(dice: Dice) -> Input:
    options = input_options(dice)
    if options["dtype"] == "uint8" and dice.chance(0.4):
        height, width, *resize = map(int, dice.rng.integers(1, 18, 4))
        return Input((height, width), resize=(resize[0], resize[1]), **options)
    return Input(dice.one_of((dice.width(),), (dice.one_of(1, 2, 3), dice.one_of(1, 4, 9))), **options)


def weight_options(dice: Dice) -> dict[str, Any]:
    """Format and clipping of a layer."""
    clip = dice.one_of("octav", "proportional", "learned")
    return {"format": dice.one_of(*FORMATS), "clip": clip, "center": dice.chance(0.2)}


def hidden_options(dice: Dice, kinds: tuple[str, ...] = tuple(REQUANTS)) -> dict[str, Any]:
    """Options of a layer that is not the last, with one of these requantizers."""
    kind = dice.one_of(*kinds)
    return {
        **weight_options(dice),
        "requant": kind,
        "norm": dice.one_of(*REQUANTS[kind].deploys),
        "scale": dice.one_of("tensor", "channel") if REQUANTS[kind].per_channel_scale else "tensor",
        "bits": dice.one_of(8, 4),
        "signed": dice.chance(0.5),
    }


def _train_a_step(model: nn.Sequential) -> None:
    first = model.get_submodule("input")
    assert isinstance(first, Input)
    low, high = RAW_TYPES[first.dtype]
    x = torch.randint(low, high + 1, (8, *first.shape))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scores = model.train()(x)
    nn.functional.cross_entropy(scores, torch.randint(scores.shape[1], (8,))).backward()
    optimizer.step()


@torch.no_grad()
def _randomize(model: nn.Module, dice: Dice) -> None:
    """Weights of one of several distributions, statistics of all sizes that 32 bits can hold."""
    for layer in model.modules():
        if isinstance(layer, BitLayer):
            layer.weight.copy_(_weights(dice, tuple(layer.weight.shape)))
            if layer.bias is not None:
                layer.bias.bias.copy_(dice.spread(layer.out_channels, -4, 29) / layer.bias.unit)
            if isinstance(layer.requant, Shift):
                layer.requant.running_max.fill_(2.0 ** dice.rng.uniform(-8, 30))
                layer.requant.bias.copy_(dice.spread(layer.out_channels, -4, 29) * 2.0 ** -layer.requant.exponent())
            if isinstance(layer.requant, MulShift):
                _randomize_mulshift(layer, layer.requant, dice)


def _weights(dice: Dice, shape: tuple[int, ...]) -> torch.Tensor:
    w = torch.as_tensor(dice.rng.standard_normal(shape))
    kind = dice.one_of("normal", "heavy", "sparse", "constant", "zero", "tiny", "large")
    return {
        "normal": w,
        "heavy": w**5,
        "sparse": w * torch.as_tensor(dice.rng.random(shape) < 0.1),
        "constant": torch.full(shape, dice.one_of(-0.3, 0.7)),
        "zero": torch.zeros(shape),
        "tiny": w * 1e-6,
        "large": w.abs() * 1e4,
    }[kind]


def _randomize_mulshift(layer: BitLayer, requant: MulShift, dice: Dice) -> None:
    typical = layer.typical_sum()
    channels = layer.out_channels
    requant.gamma.copy_(dice.spread(channels, -12, 3))
    requant.beta.copy_(dice.spread(channels, -8, 20))
    requant.mean.copy_(dice.spread(channels, -4, 4) * typical)
    requant.variance.copy_(dice.spread(channels, -16, 16).abs().clamp_min(2.0**-16) * typical**2)
