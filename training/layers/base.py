# SPDX-License-Identifier: Apache-2.0
"""What every layer of quantized weights shares: weights, clip scale, requantizer."""

from __future__ import annotations

from math import log
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor, nn

from training.clip import CLIPS, GAUSSIAN_RATIO
from training.errors import HalfbyteError
from training.formats import FORMATS, get_format
from training.layers.rowbits import RowBits
from training.quantize import fake_quantize, nearest_level
from training.requant import NORMS, REQUANTS, Requant

REFRESH_CLIP = 16  # training steps between two updates of a clip scale that is not frozen
TYPICAL_ACTIVATION = 40.0  # root mean square of an 8-bit activation, good enough to start from


class ScoreBias(nn.Module):
    """The bias of the scores (SPEC 5.5), learned in units of `unit` scores.  # (n, channels)"""

    def __init__(self, channels: int, unit: float) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.unit = unit

    def integers(self) -> Tensor:
        """b, rounded half up.  # (channels,) float64"""
        return torch.floor(self.bias.detach().double() * self.unit + 0.5)

    def forward(self, acc: Tensor) -> Tensor:
        return acc + (self.bias * self.unit if self.training else self.integers())


class BitOptions(TypedDict, total=False):
    """The options of `BitLayer`, for type checkers and editors."""

    format: str
    scale: str
    clip: str
    center: bool
    requant: str | None
    norm: str
    bits: int
    signed: bool
    bias: bool
    in_max: int


class BitLayer(nn.Module):
    """What BitLinear and BitConv2d share: quantized weights, their clip scale, and the requantizer behind the sums.

    Weights are a matrix (out_channels, fan_in), kernels flattened, which is what Muon and the packers want.

    format   name of a weight format, or "float" for unquantized weights (trains, cannot be exported)
    scale    "tensor", or "channel" for a clip scale of each output channel (needs requant "mulshift")
    clip     "octav", "proportional" or "learned"
    center   subtract the mean of the weights before quantizing (BitNet's binary, arXiv 2310.11453)
    requant  "maxshift", "shift", "mulshift", or None for the last layer, whose sums are the scores
    norm     "none", "rms", "l1", "layer" or "batch"
    bits, signed   of the output activations
    bias     of the scores: last layer only, and only where their scale is fixed; requantizers bring their own
    in_max   largest |activation| the input can have; 15 behind a 4-bit layer gives finer multipliers
    """

    weight: nn.Parameter
    clip_scale: Tensor
    frozen: Tensor
    mask: Tensor | None
    row_bits: RowBits | None

    def __init__(
        self,
        out_channels: int,
        fan_in: int,
        *,
        format: str = "sym4",  # noqa: A002 (the field's word)
        scale: str = "tensor",
        clip: str = "octav",
        center: bool = False,
        requant: str | None = "maxshift",
        norm: str = "none",
        bits: int = 8,
        signed: bool = False,
        bias: bool = False,
        in_max: int = 127,
    ) -> None:
        super().__init__()
        for what, number in (("out_channels", out_channels), ("fan_in", fan_in), ("in_max", in_max)):
            if not isinstance(number, int) or number < 1:
                raise HalfbyteError(f"{type(self).__name__}: {what} must be a positive whole number, got {number!r}")
        _check_options(scale=scale, clip=clip, requant=requant, norm=norm, bits=bits, bias=bias)
        self.fmt = None if format == "float" else get_format(format)
        self.scale, self.clip, self.center, self.in_max = scale, clip, center, in_max
        self.out_channels, self.fan_in = out_channels, fan_in
        self.register_buffer("frozen", torch.tensor(False))  # noqa: FBT003
        self._steps = 0
        self.weight = nn.Parameter(torch.empty(out_channels, fan_in))
        self.register_buffer("mask", None)
        self.row_bits = None
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.register_buffer("clip_scale", torch.ones(self.out_channels if scale == "channel" else 1, 1))
        if clip == "learned":
            self.log_scale = nn.Parameter(torch.zeros_like(self.clip_scale))
            self.log_scale.data.copy_(self._fitted_scale().log())
        self.requant = self._make_requant(requant, norm, bits, signed=signed)
        self.bias = ScoreBias(self.out_channels, self.score_unit()) if bias else None
        self.temperature = nn.Parameter(torch.zeros(())) if requant is None else None
        self.register_state_dict_pre_hook(_fit_before_saving)  # type: ignore[no-untyped-call]
        self.update_clip()

    def _make_requant(self, kind: str | None, norm: str, bits: int, *, signed: bool) -> Requant | None:
        if kind is None:
            return None
        options: dict[str, Any] = {"bits": bits, "signed": signed, "norm": norm}
        if kind != "maxshift":
            options["typical"] = self.typical_sum()
        return REQUANTS[kind](self.out_channels, **options)

    def typical_sum(self) -> float:
        """Root mean square of the sums to expect of normally distributed weights and activations."""
        level = 16.0 if self.fmt is None else float(np.abs(self.fmt.levels).mean())
        if self.row_bits is not None and self.fmt is not None:  # the clip scale moves in leaps, and levels with it
            level *= float(self.quantizer_input().abs().mean()) * GAUSSIAN_RATIO[self.fmt.name]
        return level * TYPICAL_ACTIVATION * self.in_max / 127 * self.fan_in**0.5

    # -- weights -------------------------------------------------------------------------------------------------

    def _grouped(self) -> Tensor:
        """Weights as (groups, n), one group for each clip scale, centered if asked."""
        kept = self.weight if self.mask is None else self.weight * self.mask
        w = kept if self.scale == "channel" else kept.view(1, -1)
        return w - w.mean(1, keepdim=True) if self.center else w

    @torch.no_grad()
    def prune(self, mask: Tensor) -> None:
        """Keep the weights where mask is true; the others are 0 from now on, whatever they learn.

        mask  # (out_channels, fan_in) bool

        HalfbyteError where a weight would be pruned and the format has no level 0, or where none would be left.
        """
        if mask.shape != self.weight.shape:
            shapes = f"{tuple(self.weight.shape)}, got {tuple(mask.shape)}"
            raise HalfbyteError(f"a mask has the shape of the weights, {shapes}")
        if not mask.any():
            raise HalfbyteError(f"the mask empties the layer of {mask.numel()} weights; keep one at least")
        if not mask.all():
            self.check_prunable()
        if self.mask is None:
            self.mask = torch.empty_like(self.weight, dtype=torch.bool)
        self.mask.copy_(mask)

    def check_prunable(self) -> None:
        """HalfbyteError where single weights cannot be pruned, because they cannot be 0."""
        if self.fmt is not None and 0 not in self.fmt.levels:
            zero = ", ".join(name for name, fmt in FORMATS.items() if 0 in fmt.levels)
            raise HalfbyteError(f"format {self.fmt.name} has no level 0, so its weights cannot be pruned; use {zero}")
        if self.center:
            raise HalfbyteError("center moves every weight away from 0, so none can be pruned; leave it out")

    @torch.no_grad()
    def change_format(self, name: str) -> None:
        """Quantize the same weights to another format, or to "float", with a clip scale fitted anew.

        What stands behind the sums, in requantizer and scores, follows their new scale. HalfbyteError where weights are
        pruned and the format has no level 0.
        """
        unit, before = self.score_unit(), self.clip_scale.clone()
        own, self.fmt, self.row_bits = self.fmt, None if name == "float" else get_format(name), None
        if self.mask is not None and not self.mask.all():
            try:
                self.check_prunable()
            except HalfbyteError:
                self.fmt = own
                raise
        self.clip_scale.copy_(self._fitted_scale())
        if hasattr(self, "log_scale"):
            self.log_scale.copy_(self.clip_scale.log())
        ratio = (before / self.clip_scale).view(-1)
        if self.requant is not None:
            self.requant.rescale(ratio)
        if self.temperature is not None:  # logits and bias stay what they are
            change = self.score_unit() / (unit * float(ratio))
            self.temperature.add_(log(change))
            if self.bias is not None:
                self.bias.bias.div_(change)
                self.bias.unit = self.score_unit()

    def learn_bits(self, least: int = 0, pixels: int = 1) -> None:
        """Give every row bits of its own, `row_bits`, 8 to begin with; HalfbyteError where it cannot have them.

        least   bits that a row keeps; 0: it may go
        pixels  that each weight is multiplied for
        """
        name = "float" if self.fmt is None else self.fmt.name
        if (name, self.clip, self.center) != ("int8", "octav", False):
            found = f"format {name}, clip {self.clip}, {'center' if self.center else 'no center'}"
            raise HalfbyteError(f"rows with bits of their own are int8, clip octav, no center; found {found}")
        self.row_bits = RowBits(self.out_channels, least, pixels).to(self.weight.device)
        self.update_clip()

    @torch.no_grad()
    def _fitted_scale(self) -> Tensor:
        if self.row_bits is not None:
            return self.row_bits.fit(self._grouped().view_as(self.weight), by_row=self.scale == "channel")
        if self.fmt is None:
            return self._grouped().square().mean(1, keepdim=True).sqrt().clamp_min(1e-12) / 16
        return CLIPS[self.clip](self._grouped().float(), self.fmt)

    @torch.no_grad()
    def update_clip(self) -> None:
        """Bring the clip scale up to date with the weights, unless it is frozen. Doing it twice changes nothing."""
        if not self.frozen:
            learned = getattr(self, "log_scale", None)
            self.clip_scale.copy_(self._fitted_scale() if learned is None else learned.exp())

    def freeze_clip(self) -> None:
        """Bring the clip scale up to date for the last time; activation ranges that follow the data stop as well."""
        self.update_clip()
        self.frozen.fill_(1)
        if self.requant is not None:
            self.requant.frozen.fill_(1)
        if hasattr(self, "log_scale"):
            self.log_scale.requires_grad = False

    @torch.no_grad()
    def quantizer_input(self) -> Tensor:
        """Weights in units of levels, before they are rounded to one.  # float32"""
        return self._grouped().float() / self.clip_scale.float()

    @torch.no_grad()
    def levels(self) -> Tensor:
        """The integer weights the network is evaluated and exported with.  # (out_channels, fan_in) float64"""
        z = self.quantizer_input()
        if not torch.isfinite(z).all():
            raise HalfbyteError("weights or clip scale are not finite; were they converted to half precision?")
        if self.row_bits is not None:
            return self.row_bits.levels(z.view_as(self.weight)).double()
        levels = z if self.fmt is None else nearest_level(z, self.fmt)
        return levels.view_as(self.weight).double()

    def _trained_levels(self) -> Tensor:
        """Levels with a gradient to the weights (and to a learned scale)."""
        scale = self.log_scale.exp() if self.clip == "learned" and not self.frozen else self.clip_scale
        z = self._grouped() / scale
        if self.row_bits is not None:
            return self.row_bits(z.view_as(self.weight))
        levels = z if self.fmt is None else fake_quantize(z, self.fmt)
        return levels.view_as(self.weight)

    def train(self, mode: bool = True) -> BitLayer:  # noqa: FBT001, FBT002 (torch's signature)
        """As torch's; on the way into eval() the clip scale is brought up to date first."""
        if not mode and self.training:
            self.update_clip()
        self._steps = 0
        return super().train(mode)

    # -- forward -------------------------------------------------------------------------------------------------

    def _sums(self, x: Tensor, levels: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            if self._steps % REFRESH_CLIP == 0:
                self.update_clip()
            self._steps += 1
            levels = self._trained_levels()
            return self._finish(self._sums(x, levels), levels)
        with torch.autocast(x.device.type, enabled=False):
            levels = self.levels()
            return self._finish(self._sums(x.double(), levels), levels)

    def acc_max(self, levels: Tensor) -> Tensor:
        """Largest |sum| of each output channel over every input in [-in_max, in_max].  # (channels,)"""
        return levels.detach().abs().sum(1) * self.in_max

    def _finish(self, acc: Tensor, levels: Tensor) -> Tensor:
        if self.requant is not None:
            return self.requant(acc, None if self.training else self.acc_max(levels))
        scores = acc if self.bias is None else self.bias(acc)
        return self.scores_to_logits(scores) if self.training else scores

    def scores_to_logits(self, scores: Tensor) -> Tensor:
        """Scores of the last layer at the temperature the loss was trained with; train() returns these."""
        return scores * (self.temperature.exp() / self.score_unit())  # type: ignore[union-attr]

    def score_unit(self) -> float:
        """What train() divides scores by, so that the loss sees numbers around 1; eval() leaves them integers."""
        return self.typical_sum() / 4

    def extra_repr(self) -> str:
        return f"{self.fan_in} -> {self.out_channels}, {self.fmt.name if self.fmt else 'float'}, scale={self.scale}"


def _check_options(*, scale: str, clip: str, requant: str | None, norm: str, bits: int, bias: bool) -> None:
    choices = {
        "scale": (scale, ("tensor", "channel")),
        "clip": (clip, tuple(CLIPS)),
        "requant": (requant, (*REQUANTS, None)),
        "norm": (norm, NORMS),
        "bits": (bits, (8, 4)),
    }
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise HalfbyteError(f"{name} must be one of {', '.join(map(str, allowed))}, got '{value}'")
    if bias and requant is not None:
        raise HalfbyteError(f"bias is for the last layer (requant = None); '{requant}' brings what it can deploy")


def _fit_before_saving(layer: BitLayer, *_: object) -> None:
    """What is saved in the middle of training is the network that eval() would be, stale scales brought up to date."""
    if layer.training:
        layer.update_clip()


def freeze_clip(model: nn.Module) -> None:
    """Freeze every clip scale of a model: what is trained from here on is trained for the levels as they are."""
    for module in model.modules():
        if isinstance(module, BitLayer):
            module.freeze_clip()
