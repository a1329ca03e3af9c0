# SPDX-License-Identifier: Apache-2.0
"""Variant nomul: its kernels make the reference's integers, on the host and on a chip without a multiplier."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from support import needs_emulator, needs_gcc
from torch import nn

from exporter.chips.chip import load_chip
from exporter.chips.emulate import emulate
from exporter.chips.image import Options
from exporter.export import export
from exporter.pack import row_bytes
from exporter.variants.columns import PACKERS
from exporter.verify import random_samples
from training.formats import get_format
from training.layers import BitLinear, Input

FORMATS = tuple(PACKERS)


@pytest.fixture(scope="module", params=[FORMATS[::2], FORMATS[1::2]], ids="-".join)
def formats(request):
    """Half of the formats: the kernels of all of them do not fit the chip at once."""
    return request.param


@pytest.fixture(scope="module")
def every_format(tmp_path_factory, formats):
    """A layer of each format: blocks, bytes and rows of outputs; more digits in a plane than a list holds."""
    layers = OrderedDict(input=Input((9, 16), shift=1), flatten=nn.Flatten())
    width = 144
    for index, name in enumerate(formats):
        out = 47 + index
        layers[name] = BitLinear(width, out, format=name, requant="maxshift", signed=index % 2 == 1)
        width = out
    layers["last"] = BitLinear(width, 11, format=formats[0], requant=None)
    folder = tmp_path_factory.mktemp("nomul")
    return export(nn.Sequential(layers).eval(), "every", out=folder, variants=("nomul",))


@pytest.fixture(scope="module")
def samples(every_format):
    return random_samples(every_format.graph, 3)


def test_every_format_has_a_kernel_and_no_more_bytes(every_format, formats):
    linear = [node for node in every_format.graph.nodes if node.op.kind == "linear"]
    assert {node.op.format for node in linear} == set(formats)
    for node in linear:
        assert node.kernel() == f"hb_linear_{node.op.format}_nomul"
        n_out, n_in = node.op.w.shape
        assert node.tables()[0].nbytes < n_out * row_bytes(get_format(node.op.format), n_in) + 4


def test_every_layer_is_bit_exact_on_the_host(every_format, samples):
    assert every_format.verify(samples).mismatches == 0


@pytest.mark.parametrize("way", ["s", "2"])
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_every_layer_is_bit_exact_without_a_multiplier(every_format, formats, samples, compiler, way):
    pytest.importorskip("ziglang", reason="the cross compiler is not installed")
    pytest.importorskip("unicorn", reason="the emulator is not installed")
    chip = load_chip("ch32v003")
    needs_emulator(chip)
    if compiler == "gcc":
        needs_gcc(chip)
    options = Options(toolchain=compiler, compile=way, variant="nomul")
    report = emulate(every_format.folder, chip, samples, options)
    assert report.first is None
    assert report.mismatches == 0
    assert report.stack <= report.stack_bound
    assert {f"hb_linear_{name}_nomul" for name in formats} <= set(report.functions)
    assert not [function for function in report.functions if "div" in function or "mem" in function]
