# SPDX-License-Identifier: Apache-2.0
"""What an instruction does to the stack pointer and where it goes: all that a bound of the stack asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """Of one instruction.

    stack    bytes added to the stack pointer
    target   address it calls or jumps to, None if it goes on or returns
    call     does it come back?
    dynamic  what makes stack or target unknown before it runs
    """

    stack: int = 0
    target: int | None = None
    call: bool = False
    dynamic: str | None = None


NOTHING = Effect()


def signed(value: int, bits: int) -> int:
    """The two's complement number in the low bits."""
    value &= (1 << bits) - 1
    return value - (value >> (bits - 1) << bits)


def gather(word: int, *pieces: tuple[int, int, int]) -> int:
    """Bits of a word put together: (lowest bit there, number of bits, lowest bit here)."""
    return sum((word >> at & (1 << count) - 1) << to for at, count, to in pieces)
