# SPDX-License-Identifier: Apache-2.0
"""The layers of a deployable network.

In train() they are differentiable and run in the caller's precision. In eval() they compute the integers of SPEC.md:
exact integers held in float64, whatever the dtype of the parameters, autocast or matmul precision settings.
"""

from training.layers.activation import FUNCTIONS, Activation
from training.layers.base import BitLayer, BitOptions, ScoreBias, freeze_clip
from training.layers.conv import BitConv1d, BitConv2d
from training.layers.input import Input, ResizeArea, area_weights
from training.layers.linear import BitLinear
from training.layers.merge import Add, Concat
from training.layers.norm import LayerNorm, RMSNorm
from training.layers.pool import AvgPool1d, AvgPool2d, GlobalAvgPool

__all__ = [
    "FUNCTIONS",
    "Activation",
    "Add",
    "AvgPool1d",
    "AvgPool2d",
    "BitConv1d",
    "BitConv2d",
    "BitLayer",
    "BitLinear",
    "BitOptions",
    "Concat",
    "GlobalAvgPool",
    "Input",
    "LayerNorm",
    "RMSNorm",
    "ResizeArea",
    "ScoreBias",
    "area_weights",
    "freeze_clip",
]
