# SPDX-License-Identifier: Apache-2.0
"""Instruction sets: which instructions a core has, so that an image can be refused before an emulator forgives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.chips import avr, riscv, thumb
from exporter.chips.effect import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.chips.effect import Effect


@dataclass(frozen=True)
class Refused:
    """An instruction that the core does not have."""

    address: int
    code: int
    length: int
    why: str


@dataclass(frozen=True)
class Isa:
    """An instruction set.

    family         riscv, thumb, avr, wasm or native: what kind of image, and which emulator core runs it
    length         bytes of the instruction that begins with these 16 bits
    why_not        what keeps an instruction from running on the core, or None
    effect         (address, instruction, registers known so far) -> what it does to stack and flow
    call_bytes     of stack that a call takes for its return address
    falls_through  may control go on behind a function with these last two instructions?
    script         the template of its linker script, None where the linker knows what to do
    code_in_ram    can it execute what lies in RAM?
    variants       of kernels that suit it, the one that is usually fastest first
    """

    family: str
    length: Callable[[int], int]
    why_not: Callable[[int], str | None]
    effect: Callable[[int, int, dict[int, int]], Effect]
    call_bytes: int = 0
    falls_through: Callable[[int, int], bool] = lambda _before, _last: False
    script: str | None = "link.ld.j2"
    code_in_ram: bool = True
    variants: tuple[str, ...] = ()


ISAS = {
    "rv32ec": Isa("riscv", riscv.length, riscv.checker("iec"), riscv.effect, variants=("nomul",)),
    "rv32ec_zmmul": Isa(
        "riscv", riscv.length, riscv.checker("iec", zmmul=True), riscv.effect, variants=("mul", "nomul")
    ),
    "rv32imc": Isa("riscv", riscv.length, riscv.checker("imc"), riscv.effect, variants=("mul",)),
    "armv6m": Isa("thumb", thumb.length, thumb.why_not_v6m, thumb.effect, variants=("mul",)),
    "armv7em": Isa("thumb", thumb.length, thumb.why_not_v7em, thumb.effect, variants=("mul",)),
    "avr5": Isa(
        "avr",
        avr.length,
        avr.why_not,
        avr.effect,
        avr.CALL_BYTES,
        avr.falls_through,
        "link_avr.ld.j2",
        code_in_ram=False,
        variants=("avr",),
    ),
    # Checked by others: the emulator validates a module, a process can execute what its processor has.
    "wasm32": Isa(
        "wasm", lambda _: 2, lambda _: None, lambda *_: NOTHING, script=None, code_in_ram=False, variants=("mul",)
    ),
    "native": Isa(
        "native", lambda _: 2, lambda _: None, lambda *_: NOTHING, script=None, code_in_ram=False, variants=("mul",)
    ),
}


def instructions(isa: Isa, address: int, code: bytes) -> Iterator[tuple[int, int, int]]:
    """(address, length, bits) of every instruction; the first halfword of a 32-bit one is in the low bits."""
    at = 0
    while at + 2 <= len(code):
        first = int.from_bytes(code[at : at + 2], "little")
        length = isa.length(first)
        yield address + at, length, int.from_bytes(code[at : at + length], "little")
        at += length


def check(isa: Isa, address: int, code: bytes) -> Iterator[Refused]:
    """Every instruction that the core does not have."""
    for at, length, bits in instructions(isa, address, code):
        why = isa.why_not(bits)
        if why is not None:
            yield Refused(at, bits, length, why)
