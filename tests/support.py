# SPDX-License-Identifier: Apache-2.0
"""What several tests need: small networks, the vectors of SPEC.md, tensors as arrays."""

from __future__ import annotations

import re
import shutil
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from exporter import sanitized
from exporter.chips import simavr
from exporter.chips.chip import Chip, chip_names, load_chip
from exporter.hostlib import STRICT, HostLibrary
from training.errors import HalfbyteError
from training.layers import BitConv2d, BitLayer, BitLinear, Input

if TYPE_CHECKING:
    from exporter.export import Exported

ROOT = Path(__file__).parent.parent
WERROR = (*STRICT, "-Werror")
INT32 = (-(2**31), 2**31 - 1)
HOSTED = [name for name in chip_names() if load_chip(name).emulator in {"wasmtime", "native"}]
BARE = [name for name in chip_names() if name not in HOSTED]  # a memory map and a linker script of ours
RANGES = ((0, 127), (-127, 127), (0, 15), (-15, 15))  # of activations


def needs_emulator(chip: Chip) -> None:
    """Skip the test where the chip's emulator is not installed."""
    if chip.emulator == "simavr":
        try:
            simavr.driver()
        except HalfbyteError as error:
            pytest.skip(str(error))
    if chip.emulator in {"unicorn", "wasmtime"}:
        pytest.importorskip(chip.emulator, reason=f"{chip.emulator} is not installed")


def needs_gcc(chip: Chip) -> None:
    """Skip the test where there is no gcc for the chip."""
    if chip.gcc is None:
        pytest.skip(f"there is no gcc for {chip.name}")
    if not shutil.which(f"{chip.gcc.prefix}gcc"):
        pytest.skip(f"{chip.gcc.prefix}gcc is not installed")


def needs_sanitizers() -> None:
    """Skip the test where gcc has no sanitizers."""
    try:
        sanitized._library()
    except HalfbyteError as error:
        pytest.skip(str(error))


def compile_with(exported: Exported, *flags: str) -> None:
    """Let the C of an export be compiled as it now lies in its folder, with these flags."""
    library = HostLibrary(exported.graph, exported.plan, exported.folder / "c", flags)
    exported.__dict__["library"] = library


def read_vectors(path: Path) -> list[dict[str, Any]]:
    """The `vector` blocks of a text file: op as it stands, every other key a list of integers."""
    vectors = []
    for block in re.findall(r"^```vector\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        pairs = dict(line.split(" = ") for line in block.splitlines())
        vectors.append({k: v if k == "op" else [int(n, 0) for n in v.split()] for k, v in pairs.items()})
    return vectors


def vector_id(vector: dict[str, Any]) -> str:
    return str(vector["op"])


def network(*widths: int, shape: tuple[int, ...] | None = None, last: dict[str, Any] | None = None, **options: Any):
    """input, flatten, fc1 ... of those widths, the first of them the raw size; options for the hidden layers."""
    raw = {key: options.pop(key) for key in ("dtype", "resize", "shift", "offset") if key in options}
    shared = {key: options[key] for key in ("format",) if key in options}
    layers: OrderedDict[str, nn.Module] = OrderedDict(input=Input(shape or widths[:1], **raw), flatten=nn.Flatten())
    for index, (n_in, n_out) in enumerate(pairwise(widths[:-1]), 1):
        layers[f"fc{index}"] = BitLinear(n_in, n_out, **options)
    layers[f"fc{len(widths) - 1}"] = BitLinear(*widths[-2:], requant=None, **{**shared, **(last or {})})
    return nn.Sequential(layers).eval()


def conv(n_in: int, n_out: int, kernel: int = 3, **options: Any) -> BitConv2d:
    """A convolution that keeps the size of a map, batch normalization folded, unless told otherwise."""
    return BitConv2d(n_in, n_out, kernel, **{"padding": kernel // 2, "requant": "mulshift", **options})


def map_network(*layers: nn.Module) -> nn.Sequential:
    """Layers in eval(), the same weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        for layer in layers:
            if isinstance(layer, BitLayer):
                torch.nn.init.normal_(layer.weight)
    return nn.Sequential(*layers).eval()


def named(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def integers(tensor: torch.Tensor) -> np.ndarray:
    """A tensor of whole numbers as int64; fails where one is not whole."""
    values = tensor.detach().double().numpy()
    assert np.array_equal(values, np.round(values))
    return values.astype(np.int64)


def one_line(message: str) -> bool:
    return "\n" not in message and message.strip() == message
