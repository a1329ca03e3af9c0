# SPDX-License-Identifier: Apache-2.0
"""Variant avr: its layout loses nothing, and its kernels make the reference's integers, on the host and on a chip."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import needs_emulator, needs_gcc
from torch import Tensor, nn

from exporter.chips import toolchain
from exporter.chips.chip import PORTS, load_chip
from exporter.chips.elf import read_elf
from exporter.chips.emulate import emulate
from exporter.chips.image import FIRMWARE, Options, link_script
from exporter.chips.machine import start
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
        for branch in self.branches:  # every code of a format, the largest too
            with torch.no_grad():
                branch.weight.uniform_(-1, 1).pow_(3)
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
        fmt = get_format(node.op.format)
        assert fmt.name != "shift4" or {-128, 128} <= set(node.op.w.flat)  # no byte holds 128 + 128
        assert node.tables()[0].nbytes <= n_out * row_bytes(fmt, n_in)


def test_every_layer_is_bit_exact_on_the_host(branches, samples):
    assert branches.verify(samples).mismatches == 0


@pytest.mark.parametrize("way", ["s", "2"])
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_every_layer_is_bit_exact_on_the_chip(branches, samples, compiler, way):
    pytest.importorskip("ziglang", reason="the cross compiler is not installed")
    needs_emulator(UNO)
    if compiler == "gcc":
        needs_gcc(UNO)
    options = Options(toolchain=compiler, compile=way, variant="avr")
    report = emulate(branches.folder, UNO, samples, options)
    assert report.first is None
    assert report.mismatches == 0
    assert report.stack <= report.stack_bound
    assert {node.kernel() for node in branches.graph.nodes if node.op.kind == "linear"} <= set(report.functions)
    assert not [function for function in report.functions if "div" in function or "mem" in function]


SAME = """
#include "hb_avr.h"
#include "hb_port.h"
enum { CASES = %(cases)d, N = 20 };
static const HB_ROM int16_t m[CASES] = {%(m)s};
static const HB_ROM int32_t b[CASES] = {%(b)s};
static const HB_ROM uint8_t s[CASES] = {%(s)s};
static const HB_ROM uint8_t w[9 * CASES] = {%(w)s};
static const HB_ROM hb_window conv[4] = {
    {10, 12, 1, 1, 3, 3, 1, 0}, {12, 12, 1, 1, 3, 3, 1, 1}, {10, 12, 2, 1, 3, 3, 1, 0}, {12, 12, 2, 1, 3, 3, 1, 1},
};
static const HB_ROM hb_window pool = {10, 20, 1, 1, 2, 2, 2, 0};

static int32_t next(void)
{
    static uint32_t state = 1;
    state = state * 1664525 + 1013904223;
    return (int32_t)state;
}

static uint8_t differ(const void *a, const void *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i]) { return 1; }
    }
    return 0;
}

static uint8_t wrong(uint8_t k, int8_t lo)
{
    static int32_t acc[N], other[N];
    static int8_t y[2 * N], z[2 * N], row[3][24];
    const int8_t *rows[3] = {row[0], row[1], row[2]};
    const int32_t bound = INT32_C(0x3fffffff) >> %(bits)s[k];
    for (uint8_t i = 0; i < N; i++) { acc[i] = next() & bound; acc[i] = next() < 0 ? -acc[i] : acc[i]; }
    for (uint8_t i = 0; i < 24; i++) {
        for (uint8_t j = 0; j < 3; j++) {
            const int8_t v = (int8_t)(next() >> 24);
            row[j][i] = v < -100 ? -127 : v > 100 ? 127 : v;
        }
    }
    hb_mulshift_channel(y, 2, acc, m + k, b + k, s + k, lo, 127, N);
    hb_mulshift_channel_avr(z, 2, acc, m + k, b + k, s + k, lo, 127, N);
    uint8_t found = differ(y, z, 2 * N);
    hb_maxpool(y, rows, &pool);
    hb_maxpool_avr(z, rows, &pool);
    found |= (uint8_t)(differ(y, z, 10) << 1);
    rows[1] = k %% 8 == 7 ? NULL : rows[1];
    hb_conv_int8(acc, rows, w + 9 * k, 0, conv + k %% 4);
    hb_conv_int8_avr(other, rows, w + 9 * k, 0, conv + k %% 4);
    return found | (uint8_t)(differ(acc, other, 4 * conv[k %% 4].n_out) << 2);
}

int main(void);
int main(void)
{
    hb_port_init();
    for (uint8_t k = 0; k < CASES; k++) {
        hb_port_write((uint8_t)(wrong(k, 0) | wrong(k, -127)));
    }
    for (;;) { hb_port_read(); }
}
"""


@pytest.mark.parametrize("way", ["s", "2"])
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_kernels_that_take_what_portable_ones_take_make_the_same_on_the_chip(tmp_path, rng, compiler, way):
    pytest.importorskip("ziglang", reason="the cross compiler is not installed")
    needs_emulator(UNO)
    if compiler == "gcc":
        needs_gcc(UNO)
    cases = 96
    bits = rng.integers(0, 16, cases)
    levels = rng.integers(-127, 128, 9 * cases)
    levels[:72] = 127 * (-1) ** (np.arange(72) // 36)
    values = {
        "m": rng.integers(-(1 << bits), 1 << bits),
        "b": rng.integers(-(2**29), 2**29, cases) >> rng.integers(0, 30, cases),
        "s": np.arange(cases) % 32,
        "w": levels & 0xFF,
    }
    text = {name: ", ".join(map(str, array)) for name, array in values.items()}
    text["bits"] = f"(const uint8_t[]){{{', '.join(map(str, bits))}}}"
    (tmp_path / "main.c").write_text(SAME % {"cases": cases, **text})
    (tmp_path / "link.ld").write_text(link_script(UNO))
    kernels = [f"src/hb_{name}.c" for name in ("conv_int8", "maxpool", "mulshift_channel")]
    kernels += [f"variants/avr/hb_{name}_avr.c" for name in ("conv_int8", "maxpool", "mulshift_channel")]
    toolchain.link(
        toolchain.find_toolchain(compiler, UNO),
        [tmp_path / "main.c", *(PORTS / port for port in UNO.port)],
        kernels=[FIRMWARE / kernel for kernel in kernels],
        include=[PORTS, FIRMWARE / "include", FIRMWARE / "src"],
        script=tmp_path / "link.ld",
        out=tmp_path / "main.elf",
        way=way,
        flags=[f"-DHB_CLOCK_HZ=UINT32_C({UNO.clock_hz})"],
    )
    machine = start(UNO, read_elf(tmp_path / "main.elf"))
    assert machine.run() == bytes(cases)
