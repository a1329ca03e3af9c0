# SPDX-License-Identifier: Apache-2.0
"""Cycles of counted instructions: a documented model for each kind of core. docs/chips.md states their errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Step:
    """An instruction of the image with what it did.

    count   executions
    taken   times that control left it by a jump
    landed  times that control came to it by a jump
    rom     does it lie in flash? Code in RAM has no wait states
    """

    address: int
    length: int
    bits: int
    count: int
    taken: int
    landed: int
    rom: bool


def cortex_m0plus(steps: Sequence[Step], rom_loads: int, wait_states: int) -> float:
    """Table 3-1 of the Cortex-M0+ manual (Arm DDI 0484C), single-cycle multiplier.

    1 for an operation, 2 for a load or store, 1 + N for N registers pushed or popped and 2 more where pc is one, 1 for
    a conditional branch and 1 more where it is taken, 2 for another branch, 3 for bl and for barriers.

    Flash gives 8 bytes after its wait states, so these are added once for 8 bytes of code, for every jump that is taken
    and for every load from flash. That is without prefetch and cache: an upper estimate.
    """
    cycles = float(rom_loads * wait_states)
    for step in steps:
        cycles += step.count * _m0plus(step.bits) + step.taken * _is_conditional(step.bits)
        if step.rom:
            cycles += wait_states * (step.count * step.length / 8 + step.taken)
    return cycles


def _is_conditional(bits: int) -> bool:
    return bits & 0xF000 == 0xD000 and bits < 0x10000


def _m0plus(bits: int) -> int:
    first = bits & 0xFFFF
    if bits >= 0x10000:  # bl, barriers, special registers
        return 3
    if first & 0xF600 == 0xB400:  # push, pop
        return 1 + (first & 0x1FF).bit_count() + 2 * (first & 0xFF00 == 0xBD00)
    if first & 0xF000 == 0xC000:  # ldm, stm
        return 1 + (first & 0xFF).bit_count()
    if first & 0xF800 == 0x4800 or 0x5000 <= first < 0xA000:  # loads and stores
        return 2
    jumps = first & 0xF800 == 0xE000 or first & 0xFF00 == 0x4700 or first & 0xFD87 == 0x4487
    return 2 if jumps else 1


REFILL = 2  # of a Cortex-M4's pipeline behind a jump: the manual says 1 to 3


def cortex_m4(steps: Sequence[Step], rom_loads: int, wait_states: int) -> float:
    """Table 3-1 of the Cortex-M4 manual (Arm DDI 0439).

    1 for an operation, products and packed products included, 2 for a load and 1 where it follows another load or a
    store at once, 1 for a store, 1 + N for N registers at once, 12 for a division (the manual says 2 to 12), and REFILL
    for a jump that is taken. Code comes without wait states, from a cache; a load from flash adds them.
    """
    cycles, before = float(rom_loads * wait_states), None
    for step in sorted(steps, key=lambda step: step.address):
        base, single = _m4(step.bits, step.length)
        follows = before is not None and before.address + before.length == step.address and not step.landed
        piped = single and follows and before is not None and _m4(before.bits, before.length)[1]
        cycles += step.count * (1 if piped else base) + step.taken * REFILL
        before = step
    return cycles


@cache
def _m4(bits: int, length: int) -> tuple[int, bool]:
    """Cycles of an instruction on its own, and whether it is a single load or store."""
    import capstone  # noqa: PLC0415 (an optional extra)

    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    _, _, name, operands = next(decoder.disasm_lite(bits.to_bytes(length, "little"), 0), (0, 0, "", ""))
    if "{" in operands:  # push, pop, ldm, stm and those of the FPU
        return 2 + operands[operands.index("{") :].count(","), False
    if name.startswith(("ldrd", "strd")):
        return 3, False
    if name.startswith(("ldr", "str", "vldr", "vstr")):
        return (2 if "ld" in name else 1), True
    return (12 if name.startswith(("sdiv", "udiv")) else 1), False


def qingke_v2(steps: Sequence[Step], rom_loads: int, wait_states: int) -> float:
    """QingKe V2 (CH32V003, CH32V002), by published measurements of others; a product takes 1.

    1 for an operation, 2 for a load or store, 2 more for a jump that is taken and 1 where it lands on 4 bytes that
    begin at an odd halfword. Flash gives 4 bytes in 1 + wait_states cycles: from there, 2 bytes of code cost at least
    half of that, a jump 1.5 * wait_states more, and every odd halfword it lands at 1. A load from flash adds the wait
    states.
    """
    cycles = float(rom_loads * wait_states)
    for step in steps:
        wait = wait_states if step.rom else 0
        fetch = (1 + wait) * step.length / 4
        cycles += step.count * max(2 if _is_memory(step.bits) else 1, fetch) + step.taken * (2 + 1.5 * wait)
        cycles += step.landed if step.address & 2 and (step.rom or step.length == 4) else 0
    return cycles


def _is_memory(bits: int) -> bool:
    """Is it a RISC-V load or store?"""
    if bits & 3 == 3:
        return bits & 0x7F in {0x03, 0x23}
    return bits & 3 in {0, 2} and bits & 0xE000 in {0x4000, 0xC000}


def esp32c3(steps: Sequence[Step], rom_loads: int, wait_states: int) -> float:
    """ESP32-C3 with code and data in RAM: an assumption, as Espressif publishes no table. Four stages, in order.

    1 for an operation, a product or a store, 2 for a load (the next instruction uses it), 2 more for a jump that is
    taken, 34 for a division.
    """
    cycles = float(rom_loads * wait_states)
    for step in steps:
        divides = step.bits & 0xFE00407F == 0x02004033
        base = 34 if divides else 2 if _is_memory(step.bits) and not _is_store(step.bits) else 1
        cycles += step.count * base + step.taken * 2
    return cycles


def _is_store(bits: int) -> bool:
    """Is this RISC-V load or store a store?"""
    return bits & 0x7F == 0x23 if bits & 3 == 3 else bits & 0xE000 == 0xC000


MODELS: dict[str, Callable[[Sequence[Step], int, int], float]] = {
    "cortex-m0plus": cortex_m0plus,
    "cortex-m4": cortex_m4,
    "esp32c3": esp32c3,
    "qingke-v2": qingke_v2,
}
