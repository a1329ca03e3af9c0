# SPDX-License-Identifier: Apache-2.0
"""Cycles of counted instructions: a documented model for each kind of core, none of them measured on silicon by us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Step:
    """An instruction of the image with what it did.

    count   executions
    taken   times that control left it by a jump
    landed  times that control came to it by a jump
    """

    address: int
    length: int
    bits: int
    count: int
    taken: int
    landed: int


def cortex_m0plus(steps: Sequence[Step], rom_loads: int, wait_states: int) -> float:  # noqa: ARG001 (one signature)
    """Table 3-1 of the Cortex-M0+ manual (DDI 0484), single-cycle multiplier, no wait states.

    1 for an operation, 2 for a load or store, 1 + N for N registers pushed or popped and 2 more where pc is one, 1 for
    a conditional branch and 1 more where it is taken, 2 for another branch, 3 for bl and for barriers.
    """
    return sum(step.count * _m0plus(step.bits) + step.taken * _is_conditional(step.bits) for step in steps)


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


def qingke_v2(steps: Sequence[Step], rom_loads: int, wait_states: int) -> float:
    """QingKe V2 (CH32V003, CH32V002) with its code in flash, by published measurements of others.

    Flash gives 4 bytes in 1 + wait_states cycles, so 2 bytes of code cost at least half of that; a load or store takes
    2; a jump that is taken adds 2 + 1.5 * wait_states, and 1 where it lands at an odd halfword; a load from flash adds
    the wait states.
    """
    cycles = float(rom_loads * wait_states)
    for step in steps:
        fetch = (1 + wait_states) * step.length / 4
        cycles += step.count * max(2 if _is_memory(step.bits) else 1, fetch)
        cycles += step.taken * (2 + 1.5 * wait_states) + (step.landed if step.address & 2 else 0)
    return cycles


def _is_memory(bits: int) -> bool:
    """Is it a RISC-V load or store?"""
    if bits & 3 == 3:
        return bits & 0x7F in {0x03, 0x23}
    return bits & 3 in {0, 2} and bits & 0xE000 in {0x4000, 0xC000}


MODELS: dict[str, Callable[[Sequence[Step], int, int], float]] = {
    "cortex-m0plus": cortex_m0plus,
    "qingke-v2": qingke_v2,
}
