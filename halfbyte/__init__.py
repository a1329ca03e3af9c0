# SPDX-License-Identifier: Apache-2.0
"""halfbyte: train networks with weights of less than a byte in PyTorch, flash bit-exact C.

The public names, each imported when it is first used, so that `import halfbyte` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.export import Exported, export
    from exporter.runs import load
    from exporter.verify import Report, VerificationError
    from training.errors import HalfbyteError
    from training.formats import FORMATS, Format
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
        freeze_clip,
    )
    from training.loop import train
    from training.prune import Pruned, prune
    from training.recipe import Recipe, load_recipe

__version__ = "0.1.0"

_HOME = {
    "Activation": "training.layers",
    "Add": "training.layers",
    "AvgPool1d": "training.layers",
    "AvgPool2d": "training.layers",
    "BitConv1d": "training.layers",
    "Concat": "training.layers",
    "GlobalAvgPool": "training.layers",
    "BitConv2d": "training.layers",
    "BitLinear": "training.layers",
    "Input": "training.layers",
    "LayerNorm": "training.layers",
    "RMSNorm": "training.layers",
    "freeze_clip": "training.layers",
    "FORMATS": "training.formats",
    "Format": "training.formats",
    "HalfbyteError": "training.errors",
    "Pruned": "training.prune",
    "Recipe": "training.recipe",
    "load_recipe": "training.recipe",
    "prune": "training.prune",
    "train": "training.loop",
    "Exported": "exporter.export",
    "export": "exporter.export",
    "load": "exporter.runs",
    "Report": "exporter.verify",
    "VerificationError": "exporter.verify",
}

__all__ = [
    "FORMATS",
    "Activation",
    "Add",
    "AvgPool1d",
    "AvgPool2d",
    "BitConv1d",
    "BitConv2d",
    "BitLinear",
    "Concat",
    "Exported",
    "Format",
    "GlobalAvgPool",
    "HalfbyteError",
    "Input",
    "LayerNorm",
    "Pruned",
    "RMSNorm",
    "Recipe",
    "Report",
    "VerificationError",
    "export",
    "freeze_clip",
    "load",
    "load_recipe",
    "prune",
    "train",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'halfbyte' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
