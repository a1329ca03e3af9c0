# SPDX-License-Identifier: Apache-2.0
"""RISC-V instructions, as far as a 32-bit integer core has them: lengths, and who may execute what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.chips.effect import NOTHING, Effect, gather, signed

if TYPE_CHECKING:
    from collections.abc import Callable

RA, SP = 1, 2  # registers with a role
RD, RS1, RS2 = 7, 15, 20  # where 5-bit register numbers stand in 32-bit instructions
CRD, CRS2 = 7, 2  # and in 16-bit ones; the 3-bit ones can only name x8 ... x15


@dataclass(frozen=True)
class Form:
    """Instructions with (bits & mask) == match; they belong to an extension and name registers at these bits."""

    mask: int
    match: int
    extension: str
    registers: tuple[int, ...]


# 32-bit instructions. Registers that are 0 by the encoding need no entry.
_WIDE = (
    Form(0x7F, 0x37, "i", (RD,)),  # lui
    Form(0x7F, 0x17, "i", (RD,)),  # auipc
    Form(0x7F, 0x6F, "i", (RD,)),  # jal
    Form(0x707F, 0x67, "i", (RD, RS1)),  # jalr
    *(Form(0x707F, f << 12 | 0x63, "i", (RS1, RS2)) for f in (0, 1, 4, 5, 6, 7)),  # branches
    *(Form(0x707F, f << 12 | 0x03, "i", (RD, RS1)) for f in (0, 1, 2, 4, 5)),  # loads
    *(Form(0x707F, f << 12 | 0x23, "i", (RS1, RS2)) for f in (0, 1, 2)),  # stores
    *(Form(0x707F, f << 12 | 0x13, "i", (RD, RS1)) for f in (0, 2, 3, 4, 6, 7)),  # addi ... andi
    Form(0xFE00707F, 0x00001013, "i", (RD, RS1)),  # slli
    Form(0xBE00707F, 0x00005013, "i", (RD, RS1)),  # srli, srai
    *(Form(0xFE00707F, f << 12 | 0x33, "i", (RD, RS1, RS2)) for f in range(8)),  # add ... and
    *(Form(0xFE00707F, 0x40000033 | f << 12, "i", (RD, RS1, RS2)) for f in (0, 5)),  # sub, sra
    *(Form(0xFE00707F, 0x02000033 | f << 12, "mul", (RD, RS1, RS2)) for f in range(4)),  # mul, mulh...
    *(Form(0xFE00707F, 0x02000033 | f << 12, "div", (RD, RS1, RS2)) for f in range(4, 8)),  # div, rem...
    Form(0x707F, 0x000F, "i", ()),  # fence
    Form(0xFFFFFFFF, 0x00000073, "i", ()),  # ecall
    Form(0xFFFFFFFF, 0x00100073, "i", ()),  # ebreak
    *(Form(0x707F, f << 12 | 0x73, "csr", (RD, RS1)) for f in (1, 2, 3)),  # csrrw ...
    *(Form(0x707F, f << 12 | 0x73, "csr", (RD,)) for f in (5, 6, 7)),  # csrrwi ...
)

# 16-bit instructions; more special ones first.
_NARROW = (
    Form(0xFFFF, 0x0000, "never", ()),  # defined as illegal
    Form(0xFFE3, 0x0000, "never", ()),  # c.addi4spn of 0
    Form(0xE003, 0x0000, "c", ()),  # c.addi4spn
    Form(0xE003, 0x4000, "c", ()),  # c.lw
    Form(0xE003, 0xC000, "c", ()),  # c.sw
    Form(0xE003, 0x0001, "c", (CRD,)),  # c.nop, c.addi
    Form(0xE003, 0x2001, "c", ()),  # c.jal
    Form(0xE003, 0x4001, "c", (CRD,)),  # c.li
    Form(0xF07F, 0x6001, "never", ()),  # c.lui, c.addi16sp of 0
    Form(0xE003, 0x6001, "c", (CRD,)),  # c.lui, c.addi16sp
    Form(0xF803, 0x8001, "c", ()),  # c.srli
    Form(0xF803, 0x8401, "c", ()),  # c.srai
    Form(0xEC03, 0x8801, "c", ()),  # c.andi
    Form(0xFC03, 0x8C01, "c", ()),  # c.sub, c.xor, c.or, c.and
    Form(0xE003, 0xA001, "c", ()),  # c.j
    Form(0xC003, 0xC001, "c", ()),  # c.beqz, c.bnez
    Form(0xF003, 0x0002, "c", (CRD,)),  # c.slli
    Form(0xEF83, 0x4002, "never", ()),  # c.lwsp to x0
    Form(0xE003, 0x4002, "c", (CRD,)),  # c.lwsp
    Form(0xFFFF, 0x8002, "never", ()),  # c.jr x0
    Form(0xF07F, 0x8002, "c", (CRD,)),  # c.jr
    Form(0xFFFF, 0x9002, "c", ()),  # c.ebreak
    Form(0xF07F, 0x9002, "c", (CRD,)),  # c.jalr
    Form(0xE003, 0x8002, "c", (CRD, CRS2)),  # c.mv, c.add
    Form(0xE003, 0xC002, "c", (CRS2,)),  # c.swsp
)


def length(first: int) -> int:
    """Bytes of the instruction that begins with these 16 bits."""
    return 4 if first & 3 == 3 else 2


def checker(letters: str, *, zmmul: bool = False) -> Callable[[int], str | None]:
    """What is wrong with an instruction on a core with these extensions; `e`: only x0 ... x15 exist."""
    allowed = {"i", "c"} | ({"mul"} if zmmul or "m" in letters else set()) | ({"div"} if "m" in letters else set())
    allowed |= {"csr"}
    high = 16 if "e" in letters else 32

    def why_not(bits: int) -> str | None:
        forms = _WIDE if bits & 3 == 3 else _NARROW
        form = next((form for form in forms if bits & form.mask == form.match), None)
        if form is None or form.extension == "never":
            return "not an instruction of the core"
        if form.extension not in allowed:
            return {"mul": "the core has no multiplier", "div": "the core has no divider"}[form.extension]
        for at in form.registers:
            if bits >> at & 31 >= high:
                return f"the core has no register x{bits >> at & 31}"
        return None

    return why_not


def effect(address: int, bits: int, upper: dict[int, int]) -> Effect:
    """Of an instruction on the stack; `upper` remembers what auipc left in registers, for the jump that follows."""
    return _wide_effect(address, bits, upper) if bits & 3 == 3 else _narrow_effect(address, bits)


def _wide_effect(address: int, bits: int, upper: dict[int, int]) -> Effect:  # noqa: PLR0911 (one for each form)
    opcode, rd, rs1 = bits & 0x7F, bits >> RD & 31, bits >> RS1 & 31
    if opcode == 0x6F:  # jal
        return Effect(target=address + _jal_offset(bits), call=rd != 0)
    if opcode == 0x67:  # jalr
        if rs1 in upper or rs1 == 0:
            return Effect(target=upper.pop(rs1, 0) + signed(bits >> 20, 12) & 0xFFFFFFFF, call=rd != 0)
        return NOTHING if rs1 == RA and rd == 0 else Effect(dynamic="a jump through a register")
    if opcode == 0x63:  # branches
        offset = gather(bits, (8, 4, 1), (25, 6, 5), (7, 1, 11), (31, 1, 12))
        return Effect(target=address + signed(offset, 13))
    if opcode in {0x23, 0x0F}:  # stores and fences have no destination
        return NOTHING
    upper.pop(rd, None)
    if opcode == 0x17:  # auipc
        upper[rd] = address + (bits & 0xFFFFF000) & 0xFFFFFFFF
    if rd != SP:
        return NOTHING
    if bits & 0x707F == 0x13 and rs1 == SP:  # addi sp, sp
        return Effect(stack=signed(bits >> 20, 12))
    return Effect(dynamic="a computed stack pointer")


def _jal_offset(bits: int) -> int:
    return signed(gather(bits, (21, 10, 1), (20, 1, 11), (12, 8, 12), (31, 1, 20)), 21)


def _narrow_effect(address: int, bits: int) -> Effect:  # noqa: PLR0911 (one for each form)
    rd, kind = bits >> CRD & 31, bits & 0xE003
    if kind in {0xA001, 0x2001}:  # c.j, c.jal
        low, high = ((3, 3, 1), (11, 1, 4), (2, 1, 5), (7, 1, 6)), ((6, 1, 7), (9, 2, 8), (8, 1, 10), (12, 1, 11))
        return Effect(target=address + signed(gather(bits, *low, *high), 12), call=kind == 0x2001)
    if bits & 0xC003 == 0xC001:  # c.beqz, c.bnez
        offset = gather(bits, (3, 2, 1), (10, 2, 3), (2, 1, 5), (5, 2, 6), (12, 1, 8))
        return Effect(target=address + signed(offset, 9))
    if bits & 0xE07F == 0x8002:  # c.jr, c.jalr
        return NOTHING if bits in {0x8082, 0x9002} else Effect(dynamic="a jump through a register")
    if kind == 0x6001 and rd == SP:  # c.addi16sp
        return Effect(stack=signed(gather(bits, (6, 1, 4), (2, 1, 5), (5, 1, 6), (3, 2, 7), (12, 1, 9)), 10))
    if kind == 0x0001 and rd == SP:  # c.addi
        return Effect(stack=signed(gather(bits, (2, 5, 0), (12, 1, 5)), 6))
    if rd == SP and kind in {0x4001, 0x0002, 0x4002, 0x8002}:  # c.li, c.slli, c.lwsp, c.mv, c.add
        return Effect(dynamic="a computed stack pointer")
    return NOTHING
