# SPDX-License-Identifier: Apache-2.0
"""A bound of the stack, from the call graph of a linked image: no recursion, no calls through pointers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from exporter.chips.isa import Isa, instructions
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from exporter.chips.elf import Elf, Symbol


# What linkers put between a call and a function that is too far away; it jumps through a register.
VENEER = re.compile(r"__(?:Thumb\w*Thunk_(?P<lld>\w+)|(?P<gnu>\w+)_veneer)")
VENEER_BYTES = 8  # of stack, at most


def bound(elf: Elf, isa: Isa, root: str = "hb_boot") -> int:
    """Bytes that the stack can take from `root` on; HalfbyteError where the call graph does not say.

    Every adjustment downwards in a function is added up, whichever path runs it, and calls happen at the deepest point.
    """
    if elf.stack is not None:
        return elf.stack
    names = {function.name: function for function in elf.functions}
    known: dict[int, int] = {}
    return _deepest(elf, isa, names[root], known, ())


def _deepest(elf: Elf, isa: Isa, function: Symbol, known: dict[int, int], path: tuple[str, ...]) -> int:
    if function.name in path:
        raise HalfbyteError(f"the stack has no bound: {' calls '.join((*path, function.name))}")
    if function.address not in known:
        frame, callees = _look(elf, isa, function)
        below = (taken + _deepest(elf, isa, callee, known, (*path, function.name)) for callee, taken in callees)
        known[function.address] = frame + max(below, default=0)
    return known[function.address]


def _far_target(elf: Elf, function: Symbol) -> Symbol | None:
    """The function that a linker's veneer leads to."""
    found = VENEER.fullmatch(function.name)
    name = found and (found["lld"] or found["gnu"])
    return next((other for other in elf.functions if other.name == name), None)


def _look(elf: Elf, isa: Isa, function: Symbol) -> tuple[int, list[tuple[Symbol, int]]]:
    """Bytes of a function's own frame; what it calls or jumps to, with the bytes that the call itself takes."""
    frame = 0
    callees: dict[int, tuple[Symbol, int]] = {}
    far = _far_target(elf, function)
    if far:
        return VENEER_BYTES, [(far, 0)]
    upper: dict[int, int] = {}
    before = last = 0
    for start, code in elf.code_of(function):
        for address, _, bits in instructions(isa, start, code):
            before, last = last, bits
            effect = isa.effect(address, bits, upper)
            if effect.dynamic:
                raise HalfbyteError(f"the stack has no bound: {effect.dynamic} at {elf.where(address)}")
            frame += max(0, -effect.stack)
            if effect.target is None:
                continue
            callee = elf.function_at(effect.target)
            if callee is None:
                raise HalfbyteError(f"the stack has no bound: {elf.where(address)} jumps out of the image")
            if callee != function or effect.call:
                _, taken = callees.get(callee.address, (callee, 0))
                callees[callee.address] = callee, max(taken, isa.call_bytes if effect.call else 0)
    behind = elf.function_at(function.address + function.size)
    if behind and isa.falls_through(before, last):
        callees.setdefault(behind.address, (behind, 0))
    return frame, list(callees.values())
