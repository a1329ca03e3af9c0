# SPDX-License-Identifier: Apache-2.0
"""AVR: its instructions, the bound of its stack, and an emulator that forgives as little as the chip would bear."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import struct
import subprocess
import time

import numpy as np
import pytest
from support import needs_emulator, needs_gcc, network, one_line

from exporter.chips import avr, flash, simavr, stack, toolchain
from exporter.chips.chip import PORTS, load_chip
from exporter.chips.elf import Elf, Segment, Symbol, read_elf
from exporter.chips.emulate import emulate
from exporter.chips.image import FIRMWARE, Options, build, link_script, write
from exporter.chips.isa import ISAS
from exporter.chips.machine import EmulationError, start
from exporter.export import export
from exporter.verify import random_samples
from training.errors import HalfbyteError

pytest.importorskip("ziglang", reason="the cross compiler is not installed")

UNO = load_chip("atmega328p")
NOT_THERE = {"elpm", "xch", "las", "lac", "lat", "des", "eijmp", "eicall"}  # of larger AVRs
OUTSIDE, CODE = "accessed what is neither", "not an instruction of the image"
TRAPS = [
    ("(*(volatile uint8_t *)0x900) = 1;", OUTSIDE + ".* at 0x0900"),  # behind its 2 KB of RAM
    ("(void)(*(volatile uint8_t *)0xffff);", OUTSIDE),
    ("(void)(*(volatile uint8_t *)0x46);", OUTSIDE),  # timer 0, which the port does not touch
    ("(*(volatile uint8_t *)0xc7) = 1;", OUTSIDE),  # behind the USART
    ("(*(volatile uint8_t *)0x10) = 1;", OUTSIDE),  # a register of the core
    ('__asm__ volatile("ldi r30, 0\\n ldi r31, 0x7e\\n lpm r0, Z" ::: "r0", "r30", "r31");', OUTSIDE),  # boot loader
    ("((void (*)(void))0x3000)();", CODE),
    ("((void (*)(void))0x1)();", CODE),  # the middle of the first vector
    ("volatile uint8_t b[1990]; for (int i = 0; i < 1990; i++) { b[i] = 2; }", "let its stack grow into its data"),
    ("for (;;) { }", "did not finish within 1 seconds"),
]


def link(folder, source: str):
    """The image of a main of our own, with the port."""
    (folder / "main.c").write_text(source)
    (folder / "link.ld").write_text(link_script(UNO))
    toolchain.link(
        toolchain.find_toolchain("zig", UNO),
        [folder / "main.c", *(PORTS / port for port in UNO.port)],
        include=[PORTS, FIRMWARE / "include"],
        script=folder / "link.ld",
        out=folder / "main.elf",
        flags=[f"-DHB_CLOCK_HZ=UINT32_C({UNO.clock_hz})"],
    )
    return read_elf(folder / "main.elf")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(network(64, 16, 10), "small", out=tmp_path_factory.mktemp("avr"))


@pytest.fixture(scope="module")
def samples(exported):
    return random_samples(exported.graph, 3)


def test_every_opcode_is_judged_as_a_disassembler_does(tmp_path):
    objdump = shutil.which("avr-objdump")
    if objdump is None:
        pytest.skip("avr-objdump is not installed")
    (tmp_path / "words").write_bytes(b"".join(struct.pack("<HHH", word, 0, 0) for word in range(65536)))
    command = [objdump, "-Dz", "-b", "binary", "-m", "avr:5", str(tmp_path / "words")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seen = 0
    for line in re.findall(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t(\S+)", text, re.MULTILINE):
        word, rest = divmod(int(line[0], 16), 6)
        if rest == 0:
            seen += 1
            name = line[2]
            far = word & 0xFE0C == 0x940C and word & 0x01F1  # beyond 128 KB
            spm = word == 0x95F8  # with a register that moves: not there
            there = not name.startswith(".word") and name not in NOT_THERE and not far and not spm
            assert (avr.why_not(word) is None) == there, f"0x{word:04x} {name}"
            assert not there or avr.length(word) == len(line[1].split()), f"0x{word:04x} {name}"
    assert seen == 65536


@pytest.mark.parametrize(
    ("code", "taken"),
    [
        ("cf93 df93 cdb7 deb7 2897 0fb6 f894 debf 0fbe cdbf", 2 + 8),  # push, push, Y = SP - 8, SP = Y
        ("cdb7 deb7 c85b d140 debf cdbf", 0x01B8),  # subi 0xb8, sbci 1
        ("00d0 00d0 1f92", 5),  # rcall .+0 twice, push: the shortest way
        ("cdb7 deb7 2896 debf cdbf", 0),  # adiw: given back
    ],
)
def test_the_stack_that_a_prologue_takes(code, taken):
    data = bytes.fromhex(code) + bytes.fromhex("0895")
    elf = Elf(b"", 0, (Segment(0, 0, data),), (Symbol("hb_boot", 0, len(data)),), {}, ())
    assert stack.bound(elf, ISAS["avr5"]) == taken


def test_the_stack_counts_return_addresses_and_functions_that_run_into_the_next():
    # hb_boot: rcall a; rjmp .      a: push r1; sbrc r1, 0; (falls into) b: push r1, push r1, ret
    data = bytes.fromhex("01d0 ffcf 1f92 10fc 1f92 1f92 0895")
    symbols = (Symbol("hb_boot", 0, 4), Symbol("a", 4, 4), Symbol("b", 8, 6))
    assert stack.bound(Elf(b"", 0, (Segment(0, 0, data),), symbols, {}, ()), ISAS["avr5"]) == 2 + 1 + 2


@pytest.mark.parametrize("code", ["cdbf 0895", "cdb7 deb7 c82f debf cdbf 0895", "0995 0895", "0994"])
def test_a_computed_stack_pointer_and_a_call_through_one_have_no_bound(code):
    data = bytes.fromhex(code)
    elf = Elf(b"", 0, (Segment(0, 0, data),), (Symbol("hb_boot", 0, len(data)),), {}, ())
    with pytest.raises(HalfbyteError, match="the stack has no bound"):
        stack.bound(elf, ISAS["avr5"])


@pytest.fixture(scope="module")
def trapped(tmp_path_factory):
    """An image with a function for every trap; main calls the one whose number comes."""
    functions = [
        f"void trap_{k}(void);\n__attribute__((noinline)) void trap_{k}(void) {{ {body} }}"
        for k, (body, _) in enumerate(TRAPS)
    ]
    calls = " ".join(f"if (n == {k}) {{ trap_{k}(); }}" for k in range(len(TRAPS)))
    main = "int main(void);\nint main(void) { static volatile uint8_t d[100]; hb_port_init(); d[0] = 1; LOOP }"
    loop = f"for (;;) {{ int16_t n = hb_port_read(); {calls} }}"
    source = "\n".join(['#include "hb_port.h"', *functions, main.replace("LOOP", loop)])
    return link(tmp_path_factory.mktemp("trapped"), source)


@pytest.mark.parametrize("number", range(len(TRAPS)))
def test_what_silicon_would_not_bear_is_a_fault_with_address_and_symbol(trapped, monkeypatch, number):
    needs_emulator(UNO)
    machine = start(UNO, trapped)
    assert machine.run() == b""
    monkeypatch.setattr(simavr, "SECONDS", 1)
    says = TRAPS[number][1]
    with pytest.raises(EmulationError, match=says) as caught:
        machine.run(bytes([number]))
    assert one_line(str(caught.value))
    assert f"trap_{number}+0x" in str(caught.value) or says == CODE


def test_our_multiplication_is_exact_and_leaves_the_zero_register_zero(tmp_path, rng):
    needs_emulator(UNO)
    source = """
#include "hb_port.h"
static uint8_t get(void) { int16_t c; do { c = hb_port_read(); } while (c < 0); return (uint8_t)c; }
static uint32_t get4(void) { uint32_t v = 0; for (uint8_t i = 0; i < 4; i++) { v = v << 8 | get(); } return v; }
int main(void);
int main(void)
{
    hb_port_init();
    for (;;) {
        uint8_t zero;
        const uint32_t a = get4();
        uint32_t v = a * get4();
        __asm__ volatile("mov %0, r1" : "=r"(zero));
        for (uint8_t i = 0; i < 4; i++, v <<= 8) { hb_port_write((uint8_t)(v >> 24)); }
        hb_port_write(zero);
    }
}
"""
    elf = link(tmp_path, source)
    assert "__mulsi3" in {function.name for function in elf.functions}
    machine = start(UNO, elf)
    machine.run()
    edges = [0, 1, 0xFF, 0x100, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
    pairs = [(a, b) for a in edges for b in edges]
    pairs += [(int(a), int(b)) for a, b in rng.integers(0, 2**32, (200, 2))]
    answer = machine.run(b"".join(struct.pack(">II", a, b) for a, b in pairs))
    assert answer == b"".join(struct.pack(">IB", a * b & 0xFFFFFFFF, 0) for a, b in pairs)


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("way", ["s", "mix", "2"])
def test_counts_add_up_and_the_timer_sees_the_cycles_that_were_counted(exported, samples, compiler, way):
    needs_emulator(UNO)
    if compiler == "gcc":
        needs_gcc(UNO)
    report = emulate(exported.folder, UNO, samples[:1], Options(compiler, way))
    assert report.mismatches == 0
    raw = {node.name for node in exported.graph.nodes if node.op.raw}
    assert sum(layer.instructions for layer in report.layers if layer.name not in raw) == report.instructions
    assert sum(report.functions.values()) == report.instructions
    layers = {layer.name: layer.instructions for layer in report.layers}
    kernel = report.functions["hb_maxshift_avr"]
    assert kernel <= layers["fc1.maxshift"] <= kernel + 50  # and what leads to the next kernel
    assert min(layers["fc1"], layers["fc2"]) > 10 * 16
    assert report.instructions < report.cycles < 2 * report.instructions
    printed = int(report.text[1].split()[-1])  # by timer 1, in steps of 1,024
    assert abs(printed - report.cycles) <= 1100
    assert 0 < report.stack <= report.stack_bound


def test_an_image_whose_stack_could_meet_its_data_is_refused(exported, samples):
    options = Options(variant="portable")  # nothing that could give way
    sizes = build(exported.folder, UNO, samples, options).sizes

    def with_ram(size):
        memory = tuple(m.model_copy(update={"size": size}) if m.name == "ram" else m for m in UNO.memory)
        return UNO.model_copy(update={"memory": memory})

    build(exported.folder, with_ram(sizes.ram + sizes.stack), samples, options)
    with pytest.raises(HalfbyteError, match=r"ram needs .*1 too many"):
        build(exported.folder, with_ram(sizes.ram + sizes.stack - 1), samples, options)


def test_the_boot_loader_keeps_its_512_bytes(tmp_path):
    wide = export(network(256, 248, 10), "wide", out=tmp_path)  # 31,744 + 1,240 bytes of weights: more than 32,256
    with pytest.raises(HalfbyteError, match=r"does not fit atmega328p: flash needs .* of 32,256 bytes"):
        build(wide.folder, UNO, random_samples(wide.graph, 1), Options())


def test_the_image_prints_the_same_in_the_emulators_own_serial_port(exported, samples, tmp_path):
    program = shutil.which("simavr")
    if program is None:
        pytest.skip("simavr is not installed: apt install simavr")
    write(build(exported.folder, UNO, samples, Options()), tmp_path)
    command = [program, "-m", UNO.name, "-f", str(UNO.clock_hz), str(tmp_path / "firmware.elf")]
    ours, its = pty.openpty()  # a pipe would be written to when it ends, and it does not end
    with subprocess.Popen(command, stdout=its, stderr=its) as process:
        os.close(its)
        text, end = "", time.monotonic() + 20
        while "selftest" not in text and time.monotonic() < end:
            text += os.read(ours, 4096).decode() if select.select([ours], [], [], 1)[0] else ""
        process.kill()
    os.close(ours)
    assert f"halfbyte small {exported.graph.digest}" in text
    assert f"scores {' '.join(map(str, exported.scores(samples[:1])[0]))} class" in text
    assert "selftest ok" in text


def test_the_uno_is_flashed_by_avrdude_through_its_boot_loader(tmp_path):
    words = flash.command(UNO, [tmp_path / "firmware.hex"], "/dev/ttyACM0")
    assert words[:7] == ["avrdude", "-c", "arduino", "-p", "atmega328p", "-P", "/dev/ttyACM0"]
    assert words[-1] == f"flash:w:{tmp_path}/firmware.hex:i"


def test_a_missing_simavr_is_one_line(exported, samples, monkeypatch):
    simavr.driver.cache_clear()
    monkeypatch.setattr(simavr, "LIBRARY", "-lno-such-simavr")
    with pytest.raises(HalfbyteError, match="apt install libsimavr-dev") as caught:
        emulate(exported.folder, UNO, samples[:1])
    assert one_line(str(caught.value))
    simavr.driver.cache_clear()


def test_an_image_that_is_larger_than_the_emulated_flash_is_refused():
    needs_emulator(UNO)
    elf = Elf(b"", 0, (Segment(0, 0, bytes(32769)),), (), {"hb_bss_end": 0x800100}, ())
    with pytest.raises(EmulationError, match=r"takes 32,769 bytes of flash, and there are 32,768"):
        start(UNO, elf)


def test_scores_are_those_of_the_host(exported, samples):
    needs_emulator(UNO)
    report = emulate(exported.folder, UNO, samples[:1], Options(samples=1))
    assert np.array_equal([int(w) for w in report.text[1].split()[1:11]], exported.scores(samples[:1])[0])
