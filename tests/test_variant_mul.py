# SPDX-License-Identifier: Apache-2.0
"""Variant mul: its layouts lose nothing, and its kernels make the reference's integers, on the host and on chips."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from support import needs_emulator, needs_gcc
from torch import nn

from exporter.chips.chip import load_chip
from exporter.chips.emulate import emulate
from exporter.chips.image import Options
from exporter.export import export
from exporter.pack import row_bytes
from exporter.variants.columns import (
    PACKERS,
    pack_4_and_1,
    pack_columns,
    pack_trits,
    unpack_4_and_1,
    unpack_columns,
    unpack_trits,
)
from exporter.verify import random_samples
from training.formats import get_format
from training.layers import BitLinear, Input

CHIPS = ("ch32v002", "esp32c3", "stm32g030", "stm32f411")
SHAPES = [(1, 1), (2, 3), (7, 5), (8, 4), (9, 33), (16, 9), (31, 7), (33, 2), (47, 65), (71, 10)]


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_columns_lose_no_code_and_take_no_byte_more_than_rows(bits, shape):
    codes = np.random.default_rng(bits).integers(0, 1 << bits, shape, np.uint8)
    words = pack_columns(codes, bits)
    assert np.array_equal(unpack_columns(words, bits, *shape), codes)
    rows = shape[0] * -(-shape[1] * bits // 8)
    assert words.nbytes <= -(-rows // 4) * 4


@pytest.mark.parametrize("shape", SHAPES)
def test_trits_in_columns_lose_no_code_and_take_no_byte_more_than_rows(shape):
    codes = np.random.default_rng(3).integers(0, 3, shape, np.uint8)
    words = pack_trits(codes)
    assert np.array_equal(unpack_trits(words, *shape), codes)
    assert words.nbytes < shape[0] * -(-shape[1] // 5) + 4


@pytest.mark.parametrize("shape", SHAPES)
def test_bytes_in_columns_lose_no_code(shape):
    codes = np.random.default_rng(8).integers(0, 256, shape, np.uint8)
    words = pack_columns(codes, 8, (32,))
    assert np.array_equal(unpack_columns(words, 8, *shape, (32,)), codes)
    assert words.nbytes < codes.size + 4


@pytest.mark.parametrize("shape", SHAPES)
def test_four_bits_and_one_lose_no_code_and_take_no_byte_more_than_rows(shape):
    codes = np.random.default_rng(5).integers(0, 32, shape, np.uint8)
    words = pack_4_and_1(codes)
    assert np.array_equal(unpack_4_and_1(words, *shape), codes)
    assert words.nbytes < shape[0] * -(-shape[1] * 5 // 8) + 4


def test_the_layouts_examples_in_the_specification_are_what_is_packed():
    spec = (Path(__file__).parent.parent / "SPEC.md").read_text(encoding="utf-8")
    codes = np.array([[o, 15 - o] for o in range(11)], np.uint8)
    assert f"`{pack_columns(codes, 4).tobytes().hex(' ')}`" in spec
    codes = np.array([[o, 31 - o] for o in range(9)], np.uint8)
    assert f"`{pack_4_and_1(codes).tobytes().hex(' ')}`" in spec
    codes = np.array([[o % 3, (o + 1) % 3] for o in range(16)], np.uint8)
    assert f"`{pack_trits(codes).tobytes().hex(' ')}`" in spec


FORMATS = ("binary", "ternary", "sym2", "sym4", "int4"), ("shift4", "nf4", "sym5", "int8")


def test_every_format_has_a_kernel():
    assert {name for formats in FORMATS for name in formats} == set(PACKERS)


@pytest.fixture(scope="module", params=FORMATS, ids=lambda formats: formats[0])
def network(request, tmp_path_factory):
    """A layer of every format: blocks, bytes and rows of outputs; more inputs that are not 0 than a list holds."""
    layers = OrderedDict(input=Input((9, 16), shift=1), flatten=nn.Flatten())
    width = 144
    for index, name in enumerate(request.param):
        out = 47 if name == "binary" else 20 + index
        layers[name] = BitLinear(width, out, format=name, requant="maxshift", signed=index % 2 == 1)
        width = out
    layers["last"] = BitLinear(width, 11, format=request.param[0], requant=None)
    folder = tmp_path_factory.mktemp("mul")
    return export(nn.Sequential(layers).eval(), "every", out=folder, variants=("mul",))


@pytest.fixture(scope="module")
def samples(network):
    return random_samples(network.graph, 3)


def test_every_layer_has_its_kernel_and_no_more_bytes(network):
    for node in (node for node in network.graph.nodes if node.op.kind == "linear"):
        assert node.kernel() == f"hb_linear_{node.op.format}_mul"
        n_out, n_in = node.op.w.shape
        assert node.tables()[0].nbytes < n_out * row_bytes(get_format(node.op.format), n_in) + 4


def test_every_layer_is_bit_exact_on_the_host(network, samples):
    assert network.verify(samples).mismatches == 0


@pytest.mark.parametrize("way", ["s", "2"])
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("name", CHIPS)
def test_every_layer_is_bit_exact_on_chips(network, samples, name, compiler, way):
    pytest.importorskip("ziglang", reason="the cross compiler is not installed")
    pytest.importorskip("unicorn", reason="the emulator is not installed")
    chip = load_chip(name)
    needs_emulator(chip)
    if compiler == "gcc":
        needs_gcc(chip)
    options = Options(toolchain=compiler, compile=way, variant="mul")
    report = emulate(network.folder, chip, samples, options)
    assert report.first is None
    assert report.mismatches == 0
    assert report.stack <= report.stack_bound
    kernels = {node.kernel() for node in network.graph.nodes if node.op.kind == "linear"} | {"hb_maxshift_mul"}
    assert kernels <= set(report.functions)
    assert not [function for function in report.functions if "div" in function or "mem" in function]
