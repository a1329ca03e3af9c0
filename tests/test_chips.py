# SPDX-License-Identifier: Apache-2.0
"""Chips, instruction sets and images: descriptions, sizes, what is refused and how."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from support import HOSTED, network, one_line

from exporter.chips import flashfiles, riscv, stack, thumb, toolchain
from exporter.chips.chip import TARGETS, chip_names, chip_rows, load_chip, read_chip
from exporter.chips.elf import read_elf
from exporter.chips.image import Options, build, write
from exporter.chips.isa import ISAS, check
from exporter.export import export
from exporter.verify import random_samples
from training.errors import HalfbyteError

pytest.importorskip("ziglang", reason="the cross compiler is not installed")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return export(network(64, 16, 10), "small", out=folder)


@pytest.fixture(scope="module")
def samples(exported):
    return random_samples(exported.graph, 3)


def refusal(action, *arguments) -> str:
    with pytest.raises(HalfbyteError) as caught:
        action(*arguments)
    assert one_line(str(caught.value))
    return str(caught.value)


def test_every_description_is_valid_and_is_a_row_of_the_table():
    assert [row["chip"] for row in chip_rows()] == chip_names()
    assert {"ch32v003", "ch32v002", "stm32g030", "stm32c011", "rp2040", "stm32f411", "nrf52840"} <= set(chip_names())
    assert not any(row["silicon"] for row in chip_rows())


def test_an_unknown_chip_is_refused_with_the_nearest_name():
    assert "did you mean 'ch32v003'" in refusal(load_chip, "ch32v03")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('isa = "rv32ec"', 'isa = "rv32q"', "isa 'rv32q' is none of"),
        ("silicon = false", "silicon = 0", "silicon"),
        ('about = "', 'aboot = "a"\nabout = "', "aboot"),
        ("[zig]", "[zig", "not TOML"),
        ('data = "ram"', 'data = "flash"', "place.data"),
        ("boot.c", "boat.c", "boat.c does not exist"),
    ],
)
def test_a_wrong_description_is_refused_with_its_key(tmp_path, old, new, says):
    text = (TARGETS / "ch32v003.toml").read_text()
    assert old in text
    (tmp_path / "c.toml").write_text(text.replace(old, new))
    assert says in refusal(read_chip, tmp_path / "c.toml")


@pytest.mark.parametrize("name", chip_names())
def test_an_image_fits_its_chip_and_its_sizes_add_up(exported, samples, name):
    image = build(exported.folder, load_chip(name), samples, Options())
    sizes = image.sizes
    assert sizes.flash == sizes.weights + sizes.samples + sizes.code
    assert sizes.weights == exported.graph.weight_bytes
    assert sizes.samples == 64 + 4
    assert 0 < sizes.stack < 600 or name in HOSTED
    forbidden = ("div", "memcpy", "memset", "memmove", "mod")
    assert not [f.name for f in image.elf.functions if any(word in f.name for word in forbidden)]


def test_an_image_that_is_too_large_is_refused_with_bytes_and_layers(exported, samples, tmp_path):
    wide = export(network(256, 128, 10), "wide", out=tmp_path)
    x = random_samples(wide.graph, 1)
    message = refusal(build, tmp_path, load_chip("ch32v003"), x, Options())
    assert "does not fit ch32v003: flash needs" in message
    assert "too many; fc1 16,384, fc2 640, samples 260" in message
    small = load_chip("ch32v003")
    ram = replace_memory(small, "ram", 256)
    assert "bytes of data and" in refusal(build, exported.folder, ram, samples, Options())


def replace_memory(chip, name, size):
    memory = tuple(m.model_copy(update={"size": size}) if m.name == name else m for m in chip.memory)
    return chip.model_copy(update={"memory": memory})


def test_a_fit_is_decided_to_the_byte(exported, samples):
    options = Options(variant="portable")  # nothing that could give way
    chip = load_chip("ch32v003")
    sizes = build(exported.folder, chip, samples, options).sizes
    build(exported.folder, replace_memory(chip, "flash", sizes.flash), samples, options)
    assert "1 too many" in refusal(
        build, exported.folder, replace_memory(chip, "flash", sizes.flash - 1), samples, options
    )
    need = sizes.ram + sizes.stack
    build(exported.folder, replace_memory(chip, "ram", need), samples, options)
    assert "too many" in refusal(build, exported.folder, replace_memory(chip, "ram", need - 1), samples, options)


def test_an_image_with_a_multiplication_is_refused_on_a_core_without(exported, samples):
    chip = load_chip("ch32v003")
    wrong = chip.model_copy(update={"zig": chip.zig.model_copy(update={"cpu": "generic_rv32+e+c+m-a-f-d"})})
    message = refusal(build, exported.folder, wrong, samples, Options())
    assert "the core has no multiplier" in message
    assert "hb_" in message


def test_an_image_with_high_registers_is_refused_on_an_rv32e_core(exported, samples):
    chip = load_chip("ch32v003")
    wrong = chip.model_copy(update={"zig": chip.zig.model_copy(update={"cpu": "generic_rv32+c-m-a-f-d"})})
    assert "the core has no register x" in refusal(build, exported.folder, wrong, samples, Options())


def test_an_image_for_a_cortex_m4_is_refused_on_a_cortex_m0(exported, samples):
    chip = load_chip("stm32g030")
    wrong = chip.model_copy(update={"zig": chip.zig.model_copy(update={"cpu": "cortex_m4"})})
    assert "not an ARMv6-M instruction" in refusal(build, exported.folder, wrong, samples, Options())


@pytest.mark.parametrize(
    ("isa", "code", "refused"),
    [
        ("rv32ec", 0x02C58533, True),  # mul a0, a1, a2
        ("rv32ec", 0x02C5C533, True),  # div a0, a1, a2
        ("rv32ec_zmmul", 0x02C58533, False),
        ("rv32ec_zmmul", 0x02C5C533, True),  # div a0, a1, a2
        ("rv32imc", 0x02C5C533, False),
        ("rv32ec", 0x00C58833, True),  # add x16, a1, a2
        ("rv32imc", 0x00C58833, False),
        ("rv32ec", 0x0000, True),
        ("rv32ec", 0x886E, True),  # c.mv x16, x27
        ("rv32ec", 0x852E, False),  # c.mv a0, a1
        ("rv32imc", 0x00B57553, True),  # fadd.s
        ("rv32imc", 0x6108, True),  # c.flw
        ("rv32imc", 0x00B6252F, True),  # amoadd.w
        ("armv6m", 0xF1FC_FBB0, True),  # udiv, first halfword low: FBB0 F1FC
        ("armv7em", 0xF1F2_FBB1, False),
        ("armv6m", 0x0001_F240, True),  # movw
        ("armv6m", 0x0F00_E851, True),  # ldrex
        ("armv6m", 0x0A81_EE30, True),  # vadd.f32
        ("armv7em", 0x0A81_EE30, False),
        ("armv6m", 0xBF18, True),  # it ne
        ("armv6m", 0xB110, True),  # cbz
        ("armv6m", 0x4770, False),  # bx lr
        ("armv7em", 0x0B01_EE30, True),  # vadd.f64
    ],
)
def test_instructions_are_checked_against_the_core(isa, code, refused):
    core = ISAS[isa]
    data = code.to_bytes(core.length(code & 0xFFFF), "little")
    assert len(list(check(core, 0, data))) == refused


@pytest.mark.parametrize(
    ("family", "code", "stack"),
    [
        (riscv, 0x1101, -32),  # addi sp, sp, -32
        (riscv, 0x7179, -48),  # addi16sp -48
        (riscv, 0xF9010113, -112),  # addi sp, sp, -112
        (riscv, 0x6105, 32),  # addi16sp 32
        (thumb, 0xB5F8, -24),  # push r3-r7, lr
        (thumb, 0xB08B, -44),  # sub sp, #44
        (thumb, 0x47F0_E92D, -32),  # push.w r4-r10, lr
        (thumb, 0x7D00_F5AD, -512),  # sub.w sp, sp, #512
    ],
)
def test_the_stack_an_instruction_takes(family, code, stack):
    assert family.effect(0, code, {}).stack == stack


@pytest.mark.parametrize(
    ("family", "code", "target"),
    [
        (riscv, 0xFE1FF0EF, 0x1000 - 32),  # jal ra, -32
        (riscv, 0x2011, 0x1004),  # c.jal 4
        (riscv, 0x040000E7, 0x40),  # jalr ra, 64(x0): what linkers make of a call to low addresses
        (riscv, 0xFED50FE3, 0x1000 - 2),  # beq a0, a3, -2
        (thumb, 0xFFFE_F7FF, 0x1000),  # bl .
        (thumb, 0xE7FE, 0x1000),  # b .
        (thumb, 0xB900, 0x1004),  # cbnz r0, +4
    ],
)
def test_the_target_of_a_jump(family, code, target):
    assert family.effect(0x1000, code, {}).target == target


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("int g(int); int hb_boot(int n) { return g(n) + 1; } int g(int n) { return 3 * hb_boot(n); }", "calls"),
        ("int (*volatile f)(void); int hb_boot(void) { return f() + 1; }", "through a register"),
    ],
)  # fmt: skip
def test_recursion_and_calls_through_pointers_have_no_bound(tmp_path, body, says):
    (tmp_path / "a.c").write_text(body)
    (tmp_path / "a.ld").write_text("SECTIONS { .text 0 : { KEEP(*(.text*)) } .bss : { *(.bss*) } }")
    zig = toolchain.find_toolchain("zig", load_chip("stm32g030"))
    out = tmp_path / "a.elf"
    flags = ["-fno-optimize-sibling-calls", "-fno-inline"]
    toolchain.link(zig, [tmp_path / "a.c"], include=[], script=tmp_path / "a.ld", out=out, flags=flags)
    assert says in refusal(stack.bound, read_elf(out), ISAS["armv6m"])


def test_the_files_of_an_image_hold_the_same_bytes(exported, samples, tmp_path):
    image = build(exported.folder, load_chip("rp2040"), samples, Options())
    names = [path.name for path in write(image, tmp_path)]
    assert names == ["firmware.bin", "firmware.hex", "firmware.uf2", "firmware.elf"]
    binary = (tmp_path / "firmware.bin").read_bytes()
    blocks = (tmp_path / "firmware.uf2").read_bytes()
    payload = b"".join(blocks[at + 32 : at + 32 + 256] for at in range(0, len(blocks), 512))
    assert payload[: len(binary)] == binary
    assert read_hex((tmp_path / "firmware.hex").read_text()) == binary


def read_hex(text: str) -> bytes:
    image, base, first = bytearray(), 0, None
    for line in text.splitlines():
        record = bytes.fromhex(line[1:])
        assert sum(record) & 255 == 0
        count, address, kind = record[0], int.from_bytes(record[1:3], "big"), record[3]
        if kind == 4:
            base = int.from_bytes(record[4:6], "big") << 16
        if kind == 0:
            first = base + address if first is None else first
            assert base + address - first == len(image)
            image += record[4 : 4 + count]
    return bytes(image)


def test_an_esp_image_ends_with_the_checksum_of_its_segments(exported, samples):
    image = build(exported.folder, load_chip("esp32c3"), samples, Options())
    data = flashfiles.to_esp(image.elf.segments, image.elf.entry, 5)
    assert len(data) % 16 == 0
    assert data[0] == 0xE9
    at, checksum = 24, 0xEF
    for _ in range(data[1]):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        checksum ^= int(np.bitwise_xor.reduce(np.frombuffer(data[at + 8 : at + 8 + length], np.uint8)))
        at += 8 + length
    assert data[-1] == checksum


def test_the_same_image_comes_out_of_two_builds(exported, samples):
    chip = load_chip("ch32v003")
    images = [flashfiles.to_bin(build(exported.folder, chip, samples, Options()).elf.segments) for _ in range(2)]
    assert images[0] == images[1]


def test_a_toolchain_that_is_missing_is_named(exported, samples, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    message = refusal(build, exported.folder, load_chip("stm32g030"), samples, Options(toolchain="gcc"))
    assert "arm-none-eabi-gcc is not installed" in message
    assert "expected one of zig, gcc" in refusal(
        build, exported.folder, load_chip("stm32g030"), samples, Options(toolchain="keil")
    )


def test_the_table_of_chips_is_json_on_request():
    command = [sys.executable, "-m", "halfbyte.cli", "chips", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == chip_rows()


def test_a_run_that_was_not_exported_is_one_line(tmp_path):
    message = refusal(build, tmp_path, load_chip("ch32v003"), np.zeros((0, 64), np.uint8), Options())
    assert "graph.json does not exist" in message
