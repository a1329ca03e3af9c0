# SPDX-License-Identifier: Apache-2.0
"""Variant avr: its layout loses nothing, and its kernels make the reference's integers, on the host and on a chip."""

from __future__ import annotations

import numpy as np
import pytest
from support import needs_emulator, needs_gcc
from torch import Tensor, nn

from exporter.chips.chip import load_chip
from exporter.chips.emulate import emulate
from exporter.chips.image import Options
from exporter.export import export
from exporter.pack import row_bytes
from exporter.variants.avr import COLUMNS, pack_blocks, unpack_blocks
from exporter.verify import random_samples
from training.formats import get_format
from training.layers import BitLinear, Concat, Input

UNO = load_chip("atmega328p")
FORMATS = tuple(COLUMNS)
N_IN = 100  # more than a list holds, and zeros further apart than a gap
N_OUT = 13  # blocks and rows of each format
SHAPES = [(1, 1), (3, 7), (4, 5), (8, 1), (9, 33), (10, 6), (16, 9), (23, 2), (64, 17)]


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_lose_no_code_and_take_no_byte_more_than_rows(name, shape):
    fmt = get_format(name)
    codes = np.random.default_rng(1).choice(np.array(fmt.codes, np.uint8), shape)
    data = pack_blocks(fmt, codes)
    assert np.array_equal(unpack_blocks(fmt, data, *shape), codes)
    assert len(data) <= shape[0] * row_bytes(fmt, shape[1])


def test_the_example_of_the_specification():
    codes = np.arange(1, 11, dtype=np.uint8).reshape(5, 2)
    assert pack_blocks(get_format("shift4"), codes).tobytes().hex(" ") == "31 75 42 86 a9"


class Branches(nn.Module):
    """A layer of each of some formats, all of the same signed input."""

    def __init__(self, formats: tuple[str, ...]) -> None:
        super().__init__()
        self.input = Input((N_IN,), dtype="int8")
        self.branches = nn.ModuleList(BitLinear(N_IN, N_OUT, format=name, requant="shift") for name in formats)
        self.concat = Concat(inputs=len(formats))
        self.last = BitLinear(N_OUT * len(formats), 10, format=formats[0], requant=None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.input(x)
        return self.last(self.concat(*(branch(x) for branch in self.branches)))


@pytest.fixture(scope="module", params=[FORMATS[:5], FORMATS[5:]], ids=["first", "others"])
def branches(tmp_path_factory, request):
    """Half of the formats: the kernels of all do not fit a chip."""
    return export(Branches(request.param).eval(), "branches", out=tmp_path_factory.mktemp("avr"), variants=("avr",))


@pytest.fixture(scope="module")
def samples(branches):
    far_apart = np.zeros((2, N_IN), np.int8)
    far_apart[0, [3, -1]] = 127, -127
    far_apart[1, 0] = 1
    return np.concatenate([random_samples(branches.graph, 6), far_apart])


def test_every_layer_has_a_kernel_and_no_more_bytes(branches):
    linear = [node for node in branches.graph.nodes if node.op.kind == "linear"]
    for node in linear:
        assert node.kernel() == f"hb_linear_{node.op.format}_avr"
        n_out, n_in = node.op.w.shape
        assert node.tables()[0].nbytes <= n_out * row_bytes(get_format(node.op.format), n_in)


def test_every_layer_is_bit_exact_on_the_host(branches, samples):
    assert branches.verify(samples).mismatches == 0


@pytest.mark.parametrize("optimize", ["s", "2"])
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_every_layer_is_bit_exact_on_the_chip(branches, samples, compiler, optimize):
    pytest.importorskip("ziglang", reason="the cross compiler is not installed")
    needs_emulator(UNO)
    if compiler == "gcc":
        needs_gcc(UNO)
    options = Options(toolchain=compiler, optimize=optimize, variant="avr")
    report = emulate(branches.folder, UNO, samples, options)
    assert report.first is None
    assert report.mismatches == 0
    assert report.stack <= report.stack_bound
    assert {node.kernel() for node in branches.graph.nodes if node.op.kind == "linear"} <= set(report.functions)
    assert not [function for function in report.functions if "div" in function or "mem" in function]
