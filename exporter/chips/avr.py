# SPDX-License-Identifier: Apache-2.0
"""AVR instructions: lengths, which of them an ATmega328P has, and what they do to stack and flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.chips.effect import NOTHING, Effect, gather, signed

if TYPE_CHECKING:
    from collections.abc import Callable

SPL = 0x3D  # I/O address of the low byte of the stack pointer; the high byte is written first
CALL_BYTES = 2  # a return address on the stack


def _rd(word: int) -> tuple[int, ...]:
    return (word >> 4 & 31,)


def _rd_high(word: int) -> tuple[int, ...]:
    return (16 + (word >> 4 & 15),)


def _pair(word: int) -> tuple[int, ...]:
    first = (word >> 4 & 15) * 2
    return first, first + 1


def _upper_pair(word: int) -> tuple[int, ...]:
    first = 24 + (word >> 4 & 3) * 2
    return first, first + 1


def _product(_: int) -> tuple[int, ...]:
    return 0, 1


def _none(_: int) -> tuple[int, ...]:
    return ()


X, Y, Z = 26, 28, 30


def _pointer(first: int) -> Callable[[int], tuple[int, ...]]:
    """Registers of a store that moves its pointer."""
    return lambda _: (first, first + 1)


def _load(first: int) -> Callable[[int], tuple[int, ...]]:
    """Registers of a load that moves its pointer."""
    return lambda word: (*_rd(word), first, first + 1)


# All instructions of the ATmega328P (AVRe+, no EIJMP, EICALL, ELPM): (mask, match, registers written)
_FORMS: tuple[tuple[int, int, Callable[[int], tuple[int, ...]]], ...] = (
    (0xFFFF, 0x0000, _none),  # nop
    (0xFF00, 0x0100, _pair),  # movw
    (0xFE00, 0x0200, _product),  # muls, mulsu, fmul, fmuls, fmulsu
    *((0xFC00, match, _none) for match in (0x0400, 0x1000, 0x1400)),  # cpc, cpse, cp
    *((0xFC00, match, _rd) for match in (0x0800, 0x0C00, 0x1800, 0x1C00)),  # sbc, add, sub, adc
    *((0xFC00, match, _rd) for match in (0x2000, 0x2400, 0x2800, 0x2C00)),  # and, eor, or, mov
    (0xF000, 0x3000, _none),  # cpi
    *((0xF000, match, _rd_high) for match in (0x4000, 0x5000, 0x6000, 0x7000, 0xE000)),  # sbci ... andi, ldi
    (0xD200, 0x8000, _rd),  # ldd
    (0xD200, 0x8200, _none),  # std
    (0xFE0F, 0x9000, _rd),  # lds
    *((0xFE0F, match, _load(Z)) for match in (0x9001, 0x9002, 0x9005)),  # ld, ld, lpm
    *((0xFE0F, match, _load(Y)) for match in (0x9009, 0x900A)),
    *((0xFE0F, match, _load(X)) for match in (0x900D, 0x900E)),
    *((0xFE0F, match, _rd) for match in (0x9004, 0x900C, 0x900F)),  # lpm, ld, pop
    *((0xFE0F, match, _none) for match in (0x9200, 0x920C, 0x920F)),  # sts, st, push
    *((0xFE0F, match, _pointer(Z)) for match in (0x9201, 0x9202)),
    *((0xFE0F, match, _pointer(Y)) for match in (0x9209, 0x920A)),
    *((0xFE0F, match, _pointer(X)) for match in (0x920D, 0x920E)),
    *((0xFE0F, 0x9400 | low, _rd) for low in (0, 1, 2, 3, 5, 6, 7, 10)),  # com ... dec
    (0xFF0F, 0x9408, _none),  # bset, bclr
    *((0xFFFF, match, _none) for match in (0x9409, 0x9508, 0x9509, 0x9518)),  # ijmp, ret, icall, reti
    *((0xFFFF, match, _none) for match in (0x9588, 0x9598, 0x95A8, 0x95E8)),  # sleep, break, wdr, spm
    (0xFFFF, 0x95C8, _product),  # lpm to r0
    (0xFE0C, 0x940C, _none),  # jmp, call
    (0xFE00, 0x9600, _upper_pair),  # adiw, sbiw
    (0xFC00, 0x9800, _none),  # cbi, sbic, sbi, sbis
    (0xFC00, 0x9C00, _product),  # mul
    (0xF800, 0xB000, _rd),  # in
    (0xF800, 0xB800, _none),  # out
    (0xE000, 0xC000, _none),  # rjmp, rcall
    (0xF800, 0xF000, _none),  # conditional branches
    (0xFE08, 0xF800, _rd),  # bld
    (0xFE08, 0xFA00, _none),  # bst
    (0xFC08, 0xFC00, _none),  # sbrc, sbrs
)
_SKIPS = ((0xFC00, 0x1000), (0xFD00, 0x9900), (0xFC08, 0xFC00))  # cpse; sbic, sbis; sbrc, sbrs
SBC_ZERO = 0x0801  # sbc from any register r1, which compilers hold at 0
_ENDS = ((0xFFFF, 0x9508), (0xFFFF, 0x9518), (0xFFFF, 0x9409), (0xFE0E, 0x940C), (0xF000, 0xC000))  # ret ... rjmp


def length(first: int) -> int:
    """Bytes of the instruction that begins with these 16 bits."""
    return 4 if first & 0xFC0F == 0x9000 or first & 0xFE0C == 0x940C else 2


def why_not(bits: int) -> str | None:
    """What is wrong with an instruction on an ATmega328P, or None."""
    if _written(bits) is None:
        return "not an instruction of the ATmega328P"
    if length(bits & 0xFFFF) == 4 and bits & 0xFE0C == 0x940C and bits & 0x01F1:
        return "it jumps beyond 128 KB"
    return None


def falls_through(before: int, last: int) -> bool:
    """May control go on behind a function's last instruction? `before`: the one in front of it."""
    return _is_one_of(before, _SKIPS) or not _is_one_of(last, _ENDS)


def effect(address: int, bits: int, known: dict[int, int]) -> Effect:  # noqa: PLR0911 (one for each form)
    """Of an instruction. `known`: what was added to a copy of the stack pointer, by the lower of its registers."""
    word = bits & 0xFFFF
    if word & 0xFE0C == 0x940C:  # jmp, call
        target = (bits >> 16 | gather(word, (0, 1, 16), (4, 5, 17))) * 2
        return Effect(target=target, call=bool(word & 2))
    if word & 0xE000 == 0xC000:  # rjmp, rcall
        offset, call = signed(word, 12) * 2, bool(word & 0x1000)
        if call and offset == 0:  # the shortest way to move the stack pointer by 2
            return Effect(stack=-CALL_BYTES)
        return Effect(target=address + 2 + offset, call=call)
    if word & 0xF800 == 0xF000:  # conditional branches
        return Effect(target=address + 2 + signed(word >> 3, 7) * 2)
    if word in {0x9409, 0x9509}:  # ijmp, icall
        return Effect(dynamic="a jump through a register")
    if word & 0xFE0F == 0x920F:  # push
        return Effect(stack=-1)
    if word & 0xFE0F == 0x900F:  # pop
        known.pop(_rd(word)[0] & ~1, None)
        return Effect(stack=1)
    if word & 0xF800 == 0xB800 and gather(word, (0, 4, 0), (9, 2, 4)) == SPL:  # out SPL
        first = _rd(word)[0]
        if first not in known:
            return Effect(dynamic="a computed stack pointer")
        moved, known[first] = signed(known[first], 16), 0
        return Effect(stack=moved)
    _follow(word, known)
    return NOTHING


def _follow(word: int, known: dict[int, int]) -> None:
    """Keep track of copies of the stack pointer that constants are added to."""
    written = _written(word) or ()
    if word & 0xF800 == 0xB000:  # in: low byte, then high byte
        source = gather(word, (0, 4, 0), (9, 2, 4))
        if source == SPL:
            known[written[0]] = 0
        elif source != SPL + 1:
            known.pop(written[0] & ~1, None)
    elif word & 0xFE00 == 0x9600:  # adiw, sbiw
        count = gather(word, (0, 4, 0), (6, 2, 4))
        _add(known, written[0], -count if word & 0x0100 else count)
    elif word & 0xE000 == 0x4000 and word & 0xF000 in {0x4000, 0x5000}:  # sbci, subi
        count = gather(word, (0, 4, 0), (8, 4, 4))
        _add(known, written[0] & ~1, -count << 8 * (written[0] & 1))
    elif word & 0xFE0F == SBC_ZERO:  # the borrow, where a frame takes 128 ... 255 bytes
        return
    else:
        for register in written:
            known.pop(register & ~1, None)


def _add(known: dict[int, int], first: int, count: int) -> None:
    if first in known:
        known[first] += count


def _written(bits: int) -> tuple[int, ...] | None:
    """Registers that an instruction writes, None where it is no instruction."""
    word = bits & 0xFFFF
    return next((written(word) for mask, match, written in _FORMS if word & mask == match), None)


def _is_one_of(bits: int, forms: tuple[tuple[int, int], ...]) -> bool:
    return any(bits & mask == match for mask, match in forms)
