# SPDX-License-Identifier: Apache-2.0
"""One test for everything that an emulator forgives and silicon does not; instruction sets are in test_chips.py."""

from __future__ import annotations

import re

import pytest
from support import network, one_line

from exporter.chips import stack, toolchain, unicorn_machine
from exporter.chips.chip import PORTS, load_chip
from exporter.chips.elf import read_elf
from exporter.chips.emulate import emulate
from exporter.chips.image import link_script
from exporter.chips.machine import EmulationError, start
from exporter.export import export
from exporter.verify import random_samples

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
pytest.importorskip("unicorn", reason="the emulator is not installed")

UNALIGNED = "volatile uint8_t b[8]; (void)*(volatile uint32_t *)(((uintptr_t)b | 3) - 2);"
HALF = "volatile uint8_t b[8]; *(volatile uint16_t *)(((uintptr_t)b | 3) - 2) = 1;"
STORE = "(*(volatile uint{}_t *)0x{:08x}) = 1;"
LOAD = "(void)(*(volatile uint{}_t *)0x{:08x});"
CALL = "((void (*)(void))(uintptr_t)({}))();"
IN_RAM = "static volatile uint32_t w = 0x{:x}; " + CALL
TABLE = "static const volatile uint32_t w[] = {{0x{:x}, 0}}; (void)w[0]; " + CALL
DEEP = "volatile uint8_t b[{0}]; b[0] = 1; for (uint32_t i = 0; i < {0}; i++) {{ b[i] = 2; }}"
ALIGNED, OUTSIDE, CODE = "an unaligned access", "accessed what is neither", "not an instruction of the image"
REGISTER = "access to the 32-bit register"
TRAPS = {
    "ch32v003": [
        (UNALIGNED, ALIGNED),
        (HALF, ALIGNED),
        (STORE.format(32, 0x2000_0800), OUTSIDE),  # behind its 2 KB of RAM, on the same page
        (LOAD.format(8, 0x2000_0FFF), OUTSIDE),
        (STORE.format(32, 0x1FFF_FFFC), OUTSIDE),
        (LOAD.format(32, 0x4000), "Invalid memory read"),
        (STORE.format(8, 0x100), "wrote to flash"),
        (LOAD.format(8, 0x4001_3800), "1-byte " + REGISTER),
        (STORE.format(16, 0x4001_3808), "2-byte " + REGISTER),
        (STORE.format(32, 0x4001_381C), OUTSIDE),  # behind the USART
        (IN_RAM.format(0x8082, "&w"), CODE),
        (TABLE.format(0x8082, "w"), CODE),
        (CALL.format("0x2"), CODE),  # the middle of the first instruction
        (CALL.format("0x00100000"), "Invalid memory fetch"),
        ('__asm__ volatile(".word 0xffffffff");', CODE),
        ('__asm__ volatile("ebreak");', "Invalid instruction"),
        (DEEP.format(1700), "lets its stack reach its data"),
        ("for (;;) { }", "did not finish within 1 seconds"),
    ],
    "stm32g030": [
        (UNALIGNED, "Unhandled CPU exception"),  # the emulator's own words
        (STORE.format(32, 0x0800_0000), "wrote to flash"),
        (LOAD.format(32, 0x10), "Invalid memory read"),  # where boot pins may put the flash
        (LOAD.format(8, 0x4000_4400), "1-byte " + REGISTER),
        (LOAD.format(16, 0x4000_4400), "2-byte " + REGISTER),
        (STORE.format(32, 0x4000_4440), OUTSIDE),
        (IN_RAM.format(0x4770, "(uintptr_t)&w | 1"), CODE),
        (CALL.format("(uintptr_t)hb_port_init & ~(uintptr_t)1"), "stopped at"),  # no Thumb bit
        ('__asm__ volatile("udf #0");', "Invalid instruction"),
        (DEEP.format(7900), "lets its stack reach its data"),
        ("for (;;) { }", "did not finish within 1 seconds"),
    ],
    "stm32f411": [
        (UNALIGNED, ALIGNED),  # silicon would bear this one, but not in a load of several words
        ("volatile uint32_t b[4]; (void)*(volatile uint64_t *)((uintptr_t)b + 2);", ALIGNED),
    ],
}


@pytest.fixture(scope="module")
def trapped(tmp_path_factory):
    """(chip, image) by name: a function trap_k for every trap, and main, which calls the one whose number comes."""
    built = {}

    def make(name):
        if name not in built:
            built[name] = load_chip(name), _link(name, tmp_path_factory.mktemp(name))
        return built[name]

    return make


def _link(name, folder):
    chip, bodies = load_chip(name), [body for body, _ in TRAPS[name]]
    functions = [
        f"void trap_{k}(void);\n__attribute__((noinline)) void trap_{k}(void) {{ {b} }}" for k, b in enumerate(bodies)
    ]
    cases = [f"case {k}: trap_{k}(); break;" for k in range(len(bodies))]
    loop = f"for (;;) {{ switch (hb_port_read()) {{ {' '.join(cases)} default: break; }} }}"
    main = f"int main(void);\nint main(void) {{ static volatile uint32_t d[100]; hb_port_init(); d[0] = 1; {loop} }}"
    (folder / "trap.c").write_text("\n".join(['#include "hb_port.h"', *functions, main]))
    (folder / "link.ld").write_text(link_script(chip))
    toolchain.link(
        toolchain.find_toolchain("zig", chip),
        [folder / "trap.c", *(PORTS / port for port in chip.port)],
        include=[PORTS, *sorted({(PORTS / port).parent for port in chip.port})],
        script=folder / "link.ld",
        out=folder / "trap.elf",
        flags=[f"-D{key}=UINT32_C({value})" for key, value in {"HB_CLOCK_HZ": chip.clock_hz, **chip.defines}.items()],
    )
    return read_elf(folder / "trap.elf")


@pytest.mark.parametrize(
    ("name", "number", "says"), [(name, k, says) for name, traps in TRAPS.items() for k, (_, says) in enumerate(traps)]
)
def test_what_silicon_would_not_bear_is_a_fault_with_address_and_symbol(trapped, monkeypatch, name, number, says):
    chip, elf = trapped(name)
    machine = start(chip, elf)
    assert machine.run() == b""  # all is well until it is asked to
    monkeypatch.setattr(unicorn_machine, "SECONDS", 1)
    with pytest.raises(EmulationError, match=says) as caught:
        machine.run(bytes([number]))
    message = str(caught.value)
    assert one_line(message)
    assert re.search(r"0x[0-9a-f]{8}", message)
    assert f"trap_{number}+0x" in message or says in {CODE, "Invalid memory fetch", "stopped at"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(network(16, 13, 5), "small", out=tmp_path_factory.mktemp("traps"))


@pytest.fixture(scope="module")
def samples(exported):
    return random_samples(exported.graph, 2)


def test_a_stack_above_its_bound_is_an_error(exported, samples, monkeypatch):
    monkeypatch.setattr(stack, "bound", lambda *_: 8)
    with pytest.raises(EmulationError, match=r"the stack took .* bytes, more than its bound of 8"):
        emulate(exported.folder, load_chip("ch32v003"), samples)
