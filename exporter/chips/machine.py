# SPDX-License-Identifier: Apache-2.0
"""What all emulated chips share, and the table of what runs them: a description's `emulator` chooses."""

from __future__ import annotations

import importlib
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from exporter.chips.isa import ISAS, instructions
from exporter.chips.watch import IS_CODE, IS_INPUT, IS_LAYER, IS_POLL, IS_RUN
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.chips.chip import Chip
    from exporter.chips.elf import Elf

# Modules with a class Machine, by the `emulator` of a description; each asks for its emulator when it is used.
MACHINES = {
    "unicorn": "exporter.chips.unicorn_machine",
    "simavr": "exporter.chips.simavr",
    "wasmtime": "exporter.chips.wasm",
    "native": "exporter.chips.native",
}
PATIENCE = 4  # reads of an empty UART in a row before the app counts as waiting
SECONDS = 120  # that one exchange may take on this machine


class EmulationError(HalfbyteError):
    """The image did what the chip would not bear."""


@dataclass(frozen=True)
class Counted:
    """A region: calls, instructions of all of them, of each layer, and executions of every halfword of code.

    What a machine cannot count is None.
    """

    calls: int
    instructions: int | None
    layers: tuple[int, ...] | None
    executions: np.ndarray[Any, np.dtype[np.int64]]


def mean(total: int | None, calls: int) -> int | None:
    """The mean of a count over calls, where it was counted."""
    return None if total is None else total // calls


@dataclass(frozen=True)
class Marks:
    """Functions to count, by name: the forward pass, the input rule, and those that begin a layer of either.

    run             one, or those that each do a part of an inference; they may call the input rule
    layers          name -> number of the layer from 1, or 0: whichever comes next
    n_run, n_input  layers in each of the two
    """

    run: tuple[str, ...]
    input: str
    layers: dict[str, int]
    n_run: int
    n_input: int

    @property
    def in_parts(self) -> bool:
        """Does an inference take several calls?"""
        return len(self.run) > 1


def check_layers(marks: Marks | None, calls: int, fewest: int, most: int, expected: int) -> None:
    """EmulationError where the calls of a function that is counted did not run all of its layers."""
    if calls and not (marks and marks.in_parts) and not expected == most == fewest:
        raise EmulationError(f"a call runs {fewest} to {most} layers, not {expected}")


class Machine(Protocol):
    """A chip with an image in it, as `start` gives it. Region 0 is the forward pass, region 1 the input rule."""

    chip: Chip

    def run(self, sent: bytes = b"", patience: int = PATIENCE) -> bytes:
        """Feed bytes to the UART, run until the app has waited `patience` polls for more; what it sent meanwhile."""

    def on_call(self, name: str, action: Callable[[list[int]], None]) -> None:
        """Call `action` with the first four arguments whenever a function is entered."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes of memory."""

    def forget(self) -> None:
        """Set all counts to 0; what the stack needed so far stays known."""

    def counted(self, index: int) -> Counted:
        """What was counted of a region."""

    def by_function(self, index: int, calls: int) -> dict[str, int]:
        """Mean instructions of a call, by function, most first."""

    def cycles(self, index: int, calls: int) -> int | None:
        """Mean cycles of a call, None where nothing is known of them."""

    @property
    def stack(self) -> int:
        """Most bytes of stack in use so far."""


def start(chip: Chip, elf: Elf, marks: Marks | None = None, poison: int = 0xA5) -> Machine:
    """The machine of a chip, with an image in it and `poison` in its RAM. Without marks nothing is counted."""
    machine: Machine = importlib.import_module(MACHINES[chip.emulator]).Machine(chip, elf, marks, poison)
    return machine


@contextmanager
def ctrl_c_afterwards() -> Iterator[None]:
    """Ctrl-C takes effect behind the block: in what C calls back, the exception would be dropped."""
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


@dataclass(frozen=True)
class Slots:
    """Numbers of the halfwords of code, for arrays with an element for each: code may lie in several memories.

    ranges  [begin, end) of the code in a memory, and the slot of its first halfword; behind each is a free slot
    """

    ranges: tuple[tuple[int, int, int], ...]

    def of(self, address: int) -> int:
        """The slot of a halfword of code."""
        return next(slot + (address - begin) // 2 for begin, end, slot in self.ranges if begin <= address < end)

    @property
    def count(self) -> int:
        """Slots in all."""
        return max((slot + (end - begin) // 2 + 1 for begin, end, slot in self.ranges), default=0)


def code_slots(chip: Chip, elf: Elf) -> Slots:
    """Slots for all functions of an image."""
    ranges: list[tuple[int, int, int]] = []
    for memory in chip.memory:
        ends = [f.address + f.size for f in elf.functions if memory.origin <= f.address < memory.end]
        if ends:
            ranges.append((memory.origin, max(ends), Slots(tuple(ranges)).count))
    return Slots(tuple(ranges))


LAYER = 8  # bits in front of the number of a layer in a mark


def mark_code(chip: Chip, elf: Elf, slots: Slots, marks: Marks | None) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Marks of every halfword of code: where instructions and the functions that are counted begin."""
    table = np.zeros(slots.count, np.uint16)
    for begin, code in elf.code():
        for address, _, _ in instructions(ISAS[chip.isa], begin, code):
            table[slots.of(address)] |= IS_CODE
    names = {"hb_port_read": IS_POLL}
    if marks:
        names |= {name: IS_LAYER | number << LAYER for name, number in marks.layers.items()}
        names |= dict.fromkeys(marks.run, IS_RUN) | {marks.input: IS_INPUT | names.get(marks.input, 0)}
    for function in elf.functions:
        table[slots.of(function.address)] |= names.get(function.name, 0)
    return table


def by_function(
    elf: Elf,
    executions: np.ndarray[Any, np.dtype[np.int64]],
    table: np.ndarray[Any, np.dtype[np.uint16]],
    slots: Slots,
    calls: int,
) -> dict[str, int]:
    """Mean instructions of a call, by function, most first, from the executions of every halfword."""
    found: dict[str, int] = {}
    for function in elf.functions:
        begin = slots.of(function.address)
        starts = table[begin : begin + function.size // 2] & IS_CODE
        count = int((executions[begin : begin + len(starts)] * starts).sum())
        if count:
            found[function.name] = found.get(function.name, 0) + count // calls
    return dict(sorted(found.items(), key=lambda item: -item[1]))
