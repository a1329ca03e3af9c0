# SPDX-License-Identifier: Apache-2.0
"""What an image is made of: the budget of the smallest chip, kernels in RAM, the multiplication of a core without."""

from __future__ import annotations

import shutil
import struct
from dataclasses import replace

import numpy as np
import pytest
from support import ROOT, network, one_line

from exporter.chips import toolchain
from exporter.chips.chip import PORTS, load_chip
from exporter.chips.elf import read_elf
from exporter.chips.emulate import emulate
from exporter.chips.image import Options, build, link_script
from exporter.chips.machine import EmulationError, start
from exporter.chips.parts import parts
from exporter.export import export
from exporter.graph import load_graph
from exporter.verify import random_samples
from training.errors import HalfbyteError

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
pytest.importorskip("unicorn", reason="the emulator is not installed")

MNIST = ROOT / "models" / "mnist-fc-12k"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return export(network(64, 16, 10), "small", out=tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def samples(small):
    return random_samples(small.graph, 2)


def replace_ram(chip, size):
    memory = tuple(m.model_copy(update={"size": size}) if m.kind == "ram" else m for m in chip.memory)
    return chip.model_copy(update={"memory": memory})


def skip_without(compiler, chip):
    if compiler == "gcc" and not shutil.which(f"{chip.gcc.prefix}gcc"):
        pytest.skip(f"{chip.gcc.prefix}gcc is not installed")


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize(("way", "kernels"), [("s", 1700), ("mix", 2000)])  # at -O2 they are no faster there
def test_mnist_fc_12k_keeps_to_the_budget_of_a_ch32v003(compiler, way, kernels):
    chip = load_chip("ch32v003")
    skip_without(compiler, chip)
    image = build(MNIST, chip, random_samples(load_graph(MNIST), 1), Options(compiler, way))
    assert image.sizes.weights == 12608
    assert image.sizes.kernels <= kernels
    assert image.graph.kernels["fc1"] == "nomul"
    assert image.sizes.app <= 1500
    library = [function.name for function in image.elf.functions if function.name.startswith("_")]
    assert library == ["__mulsi3"]  # no division, no memcpy
    assert not [f.name for f in image.elf.functions if "div" in f.name or f.name.startswith("mem")]


def test_the_parts_of_an_image_add_up_to_its_sizes(small, samples):
    for name in ("ch32v003", "stm32f411"):
        image = build(small.folder, load_chip(name), samples, Options())
        found: dict[str, int] = {}
        for part in parts(image):
            found[part.kind] = found.get(part.kind, 0) + part.bytes
        assert found["weights"] == image.sizes.weights
        assert found["samples"] == image.sizes.samples
        assert 0 <= image.sizes.kernels - found["kernels"] < 32  # padding between functions
        assert 0 <= image.sizes.app - found["app"] < 400  # texts, vectors


def test_mix_compiles_the_kernels_for_speed_and_the_rest_for_size(small, samples):
    images = {level: build(small.folder, load_chip("stm32f411"), samples, Options("zig", level)) for level in "s2"}
    mix = build(small.folder, load_chip("stm32f411"), samples, Options("zig", "mix"))
    code = {level: {p.name: p.bytes for p in parts(image)} for level, image in images.items()}
    for part in parts(mix):
        if part.kind in {"kernels", "app"}:
            assert part.bytes == code["2" if part.kind == "kernels" else "s"][part.name], part.name


@pytest.mark.parametrize(
    ("name", "compiler"),
    [("ch32v003", "zig"), ("ch32v003", "gcc"), ("stm32g030", "zig"), ("stm32g030", "gcc"), ("stm32f411", "gcc")],
)
def test_kernels_in_ram_are_bit_exact_and_take_what_the_sizes_say(small, samples, name, compiler):
    chip = load_chip(name)
    skip_without(compiler, chip)
    options = {where: Options(compiler, kernels=where, variant="portable") for where in ("flash", "ram")}
    flash, ram = (build(small.folder, chip, samples, options[where]) for where in ("flash", "ram"))
    data = chip.memory_of("data")
    inside = {f.name: f.size for f in ram.elf.functions if data.origin <= f.address < data.end}
    kernels = {"hb_linear_sym4", "hb_maxshift"} | ({"__mulsi3"} if name == "ch32v003" else set())
    assert set(inside) == {"hb_small_run", *kernels}
    assert 0 <= ram.sizes.ram - flash.sizes.ram - sum(inside.values()) < 32
    assert ram.sizes.stack >= flash.sizes.stack  # the bound follows calls from one memory into the other
    report = emulate(small.folder, chip, samples, Options(compiler, kernels="ram"))
    assert report.mismatches == 0
    assert report.text[-1] == "selftest ok"
    if name == "ch32v003" and compiler == "zig":  # flash has a wait state there
        assert report.cycles < emulate(small.folder, chip, samples, Options()).cycles


def test_kernels_in_ram_that_do_not_fit_are_refused_with_their_bytes(small, samples):
    chip = load_chip("ch32v003")
    small_code = Options(variant="portable")  # nothing can give way
    sizes = build(small.folder, chip, samples, small_code).sizes
    tight = replace_ram(chip, sizes.ram + sizes.stack + 100)
    with pytest.raises(HalfbyteError, match="of them are kernels: leave out --kernels ram") as caught:
        build(small.folder, tight, samples, replace(small_code, kernels="ram"))
    assert one_line(str(caught.value))
    with pytest.raises(HalfbyteError, match="atmega328p cannot move code to RAM"):
        build(small.folder, load_chip("atmega328p"), samples, Options(kernels="ram"))
    with pytest.raises(HalfbyteError, match="expected one of flash, ram"):
        build(small.folder, chip, samples, Options(kernels="rom"))


def test_code_in_ram_that_is_written_over_is_noticed(small, samples):
    chip = load_chip("ch32v003")
    image = build(small.folder, chip, samples, Options(kernels="ram"))
    machine = start(chip, image.elf)
    machine.run()
    machine.core.mem_write(image.elf.symbols["hb_maxshift"], b"\x13")
    with pytest.raises(EmulationError, match=r"wrote over its own code at .*hb_maxshift"):
        machine.run()


def test_the_multiplication_of_a_core_without_one(tmp_path):
    chip = load_chip("ch32v003")
    edges = [0, 1, -1, 2, 15, -15, 127, -128, 255, 2**16, 2**31 - 1, -(2**31), -(2**31) + 1]
    rng = np.random.default_rng(1)
    pairs = [(a, b) for a in edges for b in edges]
    pairs += [(int(a), int(b)) for a, b in rng.integers(-(2**31), 2**31, (50, 2))]
    numbers = ", ".join(f"INT32_C({max(n, -(2**31) + 1)}) - {int(n == -(2**31))}" for pair in pairs for n in pair)
    source = tmp_path / "multiply.c"
    source.write_text(f"""#include "hb_port.h"
static const volatile int32_t n[] = {{ {numbers} }};
int main(void);
int main(void)
{{
    hb_port_init();
    for (uint32_t i = 0; i < {2 * len(pairs)}; i += 2) {{
        const uint32_t product = (uint32_t)n[i] * (uint32_t)n[i + 1];
        for (uint8_t at = 0; at < 32; at += 8) {{
            hb_port_write((uint8_t)(product >> at));
        }}
    }}
    for (;;) {{
        hb_port_read();
    }}
}}
""")
    (tmp_path / "link.ld").write_text(link_script(chip))
    toolchain.link(
        toolchain.find_toolchain("zig", chip),
        [source, *(PORTS / port for port in chip.port)],
        include=[PORTS],
        script=tmp_path / "link.ld",
        out=tmp_path / "multiply.elf",
        flags=[f"-D{key}=UINT32_C({value})" for key, value in {"HB_CLOCK_HZ": chip.clock_hz, **chip.defines}.items()],
    )
    sent = start(chip, read_elf(tmp_path / "multiply.elf")).run()
    assert list(struct.unpack(f"<{len(pairs)}I", sent)) == [a * b % 2**32 for a, b in pairs]
