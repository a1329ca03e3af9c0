# SPDX-License-Identifier: Apache-2.0
"""Thumb instructions: lengths, and what a Cortex-M0+ (ARMv6-M) and a Cortex-M4 (ARMv7E-M) execute."""

from __future__ import annotations

from functools import cache

from exporter.chips.effect import NOTHING, Effect, gather, signed

# ARMv6-M, 16 bits wide: (mask, match) of all there are. No IT, no CBZ.
_NARROW = (
    (0xC000, 0x0000),  # shifts, add, sub, mov, cmp with immediate or three registers
    (0xFC00, 0x4000),  # data processing
    (0xFF00, 0x4400),  # add, high registers
    (0xFF00, 0x4500),  # cmp, high registers
    (0xFF00, 0x4600),  # mov, high registers
    (0xFF07, 0x4700),  # bx, blx
    (0xF800, 0x4800),  # ldr literal
    (0xF000, 0x5000),  # loads and stores, register offset
    (0xE000, 0x6000),  # str, ldr, strb, ldrb, immediate
    (0xF000, 0x8000),  # strh, ldrh
    (0xF000, 0x9000),  # sp-relative
    (0xF000, 0xA000),  # adr, add from sp
    (0xFF00, 0xB000),  # add and sub of sp
    (0xFF00, 0xB200),  # extends
    (0xFE00, 0xB400),  # push
    (0xFFEF, 0xB662),  # cpsie, cpsid
    (0xFFC0, 0xBA00),  # rev
    (0xFFC0, 0xBA40),  # rev16
    (0xFFC0, 0xBAC0),  # revsh
    (0xFE00, 0xBC00),  # pop
    (0xFF00, 0xBE00),  # bkpt
    (0xFF0F, 0xBF00),  # nop, yield, wfe, wfi, sev
    (0xF000, 0xC000),  # stm, ldm
    (0xF000, 0xD000),  # conditional branch, udf, svc
    (0xF800, 0xE000),  # b
)
# 32 bits wide, second halfword in the low bits: bl, msr, mrs, dsb, dmb, isb, udf
_WIDE = (
    (0xF800D000, 0xF000D000),
    (0xFFF0FF00, 0xF3808800),
    (0xFFFFF000, 0xF3EF8000),
    (0xFFFFFFF0, 0xF3BF8F40),
    (0xFFFFFFF0, 0xF3BF8F50),
    (0xFFFFFFF0, 0xF3BF8F60),
    (0xFFF0F000, 0xF7F0A000),
)


def length(first: int) -> int:
    """Bytes of the instruction that begins with these 16 bits."""
    return 4 if first >> 11 in (0b11101, 0b11110, 0b11111) else 2


def why_not_v6m(bits: int) -> str | None:
    """What is wrong with an instruction on ARMv6-M, or None."""
    if length(bits & 0xFFFF) == 2:
        return None if any(bits & mask == match for mask, match in _NARROW) else "not an ARMv6-M instruction"
    swapped = (bits & 0xFFFF) << 16 | bits >> 16
    return None if any(swapped & mask == match for mask, match in _WIDE) else "not an ARMv6-M instruction"


@cache
def why_not_v7em(bits: int) -> str | None:
    """What is wrong with an instruction on a Cortex-M4 with single-precision FPU, or None."""
    import capstone  # noqa: PLC0415 (an optional extra)

    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    code = bits.to_bytes(length(bits & 0xFFFF), "little")
    found = next(decoder.disasm_lite(code, 0), None)
    if found is None or found[1] != len(code):
        return "not an ARMv7E-M instruction"
    return "the core has no double precision" if ".f64" in found[2] else None


def effect(address: int, bits: int, upper: dict[int, int]) -> Effect:  # noqa: ARG001 (RISC-V needs it)
    """Of an instruction on the stack."""
    if length(bits & 0xFFFF) == 2:
        return _narrow_effect(address, bits)
    return _wide_effect(address, bits & 0xFFFF, bits >> 16)


def _narrow_effect(address: int, bits: int) -> Effect:  # noqa: PLR0911 (one for each form)
    if bits & 0xFE00 == 0xB400:  # push
        return Effect(stack=-4 * (bits & 0x1FF).bit_count())
    if bits & 0xFF80 == 0xB080:  # sub sp
        return Effect(stack=-4 * (bits & 0x7F))
    if bits & 0xF800 == 0xE000:  # b
        return Effect(target=address + 4 + signed(bits << 1, 12))
    if bits & 0xF000 == 0xD000 and bits & 0xE00 != 0xE00:  # conditional b
        return Effect(target=address + 4 + signed(bits << 1, 9))
    if bits & 0xF500 == 0xB100:  # cbz, cbnz
        return Effect(target=address + 4 + gather(bits, (3, 5, 1), (9, 1, 6)))
    if bits & 0xFF00 == 0x4700 and bits != 0x4770:  # bx, blx, but bx lr
        return Effect(dynamic="a jump through a register")
    if bits & 0xFC87 == 0x4487 and bits & 0x300 != 0x100:  # add, mov to pc
        return Effect(dynamic="a jump through a register")
    if bits & 0xFC87 == 0x4485 and bits & 0x300 != 0x100:  # add, mov to sp
        return Effect(dynamic="a computed stack pointer")
    return NOTHING


def _wide_effect(address: int, first: int, second: int) -> Effect:  # noqa: PLR0911 (one for each form)
    if first & 0xF800 == 0xF000 and second & 0x8000:
        return _branch(address, first, second)
    small = second & 0xFF
    if first == 0xE92D:  # push
        return Effect(stack=-4 * second.bit_count())
    if first == 0xED2D:  # vpush
        return Effect(stack=-4 * small)
    if first == 0xF84D and second & 0xD00 == 0xD00:  # str to [sp, #-n]!
        return Effect(stack=0 if second & 0x200 else -small)
    if first in {0xE96D, 0xE9ED}:  # strd to [sp, #n]!
        return Effect(stack=-4 * small if first == 0xE96D else 0)
    if first in {0xF2AD, 0xF6AD} and second & 0xF00 == 0xD00:  # subw sp
        return Effect(stack=-gather(first << 16 | second, (0, 8, 0), (12, 3, 8), (26, 1, 11)))
    if first in {0xF1AD, 0xF5AD} and second & 0xF00 == 0xD00:  # sub.w sp, a rotated byte
        return Effect(stack=-_rotated(gather(first << 16 | second, (0, 8, 0), (12, 3, 8), (26, 1, 11))))
    if first & 0xFFF0 == 0xE8D0 and second & 0xFFE0 == 0xF000:  # tbb, tbh
        return Effect(dynamic="a jump through a table")
    if first & 0xFF70 == 0xF850 and second >> 12 == 15:  # ldr pc
        return NOTHING if first & 15 == 13 else Effect(dynamic="a jump through memory")
    writes_sp = first & 0xF800 == 0xF000 and not second & 0x8000 and second & 0xF00 == 0xD00 and first & 0x1F0 != 0x1B0
    return Effect(dynamic="a computed stack pointer") if writes_sp and first & 15 != 13 else NOTHING


def _branch(address: int, first: int, second: int) -> Effect:
    both = first << 16 | second
    if second & 0x5000 == 0:  # conditional, or not a branch at all
        if first & 0x380 == 0x380:
            return NOTHING
        offset = signed(gather(both, (0, 11, 1), (16, 6, 12), (13, 1, 18), (11, 1, 19), (26, 1, 20)), 21)
        return Effect(target=address + 4 + offset)
    i1, i2 = (~(second >> at ^ first >> 10) & 1 for at in (13, 11))
    offset = gather(both, (0, 11, 1), (16, 10, 12), (26, 1, 24)) | i1 << 23 | i2 << 22
    return Effect(target=address + 4 + signed(offset, 25), call=bool(second & 0x4000))


def _rotated(code: int) -> int:
    """The constant that 12 bits of a Thumb-2 instruction stand for."""
    byte = code & 0xFF
    if code >> 10 == 0:
        return (byte, byte << 16 | byte, byte << 24 | byte << 8, byte * 0x01010101)[code >> 8 & 3]
    turn, value = code >> 7, code & 0x7F | 0x80
    return (value >> turn | value << (32 - turn)) & 0xFFFFFFFF
