# SPDX-License-Identifier: Apache-2.0
"""An emulated AVR: simavr, one instruction at a time, with counts and cycles exact and nothing forgiven.

simavr (GPL-3.0-or-later) is Debian's, not pip's; templates/simavr.c drives its library.
"""

from __future__ import annotations

import ctypes
import functools
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exporter.chips.machine import (
    PATIENCE,
    SECONDS,
    Counted,
    EmulationError,
    Marks,
    by_function,
    check_layers,
    code_slots,
    mark_code,
)
from exporter.chips.watch import FAULTS, IS_INPUT, IS_RUN
from exporter.hostlib import find_compiler
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.chips.chip import Chip
    from exporter.chips.elf import Elf

DRIVER = Path(__file__).parent / "templates" / "simavr.c"
LIBRARY = "-lsimavr"
MISSING = "the emulator is not installed: apt install libsimavr-dev"
DATA = 0x80_0000  # where linkers put data memory
REGISTERS, CORE = 32, (0x5D, 0x60)  # bytes of registers at its beginning; stack pointer and status
OUTPUT = 1 << 16  # bytes that an app may send in one exchange
STEPS = 10_000_000  # instructions between looks at the clock
WAITING, CALLED, TIRED, _FAULTED = range(4)
STACK, CRASHED = 5, 6
MORE_FAULTS = {STACK: "let its stack grow into its data", CRASHED: "made simavr give up"}


def _u64(*names: str) -> tuple[tuple[str, type], ...]:
    return tuple((name, ctypes.c_uint64) for name in names)


class Range(ctypes.Structure):
    """struct range."""

    _fields_ = _u64("begin", "end")


class Region(ctypes.Structure):
    """struct region."""

    _fields_ = (
        *_u64("mark", "calls", "count", "cycles"),
        ("layers", ctypes.c_void_p),
        *_u64("n_layers", "most", "fewest"),
        ("executions", ctypes.c_void_p),
        *_u64("layer"),
    )


class State(ctypes.Structure):
    """struct machine."""

    _fields_ = (
        ("avr", ctypes.c_void_p),
        ("marks", ctypes.c_void_p),
        *_u64("code_size"),
        ("ranges", ctypes.c_void_p),
        *_u64("n_ranges", "flash_end", "stack_begin", "stack_low"),
        ("regions", Region * 2),
        *_u64("total", "fault", "address"),
        ("active", ctypes.c_int64),
        *_u64("back", "back_sp", "tx", "rx"),
        *_u64("tx_status", "tx_mask", "tx_ready", "rx_status", "rx_mask", "rx_ready"),
        ("input", ctypes.c_char_p),
        *_u64("n_input"),
        ("output", ctypes.c_void_p),
        *_u64("n_output", "max_output", "patience", "empty", "watched", "passed"),
        ("outer", ctypes.c_int64),
        *_u64("outer_back", "outer_sp"),
    )


@functools.cache
def driver() -> ctypes.CDLL:
    """The driver, compiled for this machine and its simavr; HalfbyteError where there is none."""
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
        library = Path(scratch) / "simavr.so"
        command = [*find_compiler(), "-O2", "-fPIC", "-shared", "-o", str(library), str(DRIVER), LIBRARY]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own arguments)
        if result.returncode:
            raise HalfbyteError(MISSING)
        loaded = ctypes.CDLL(str(library))
    loaded.hb_avr_run.argtypes = (ctypes.c_void_p, ctypes.c_uint64)
    loaded.hb_avr_pc.restype = loaded.hb_avr_flash_size.restype = ctypes.c_uint64
    return loaded


class Machine:
    """An AVR with an image in it. `marks`: what to count."""

    def __init__(self, chip: Chip, elf: Elf, marks: Marks | None = None, poison: int = 0xA5) -> None:
        self.chip, self.elf, self._marks = chip, elf, marks
        self._driver = driver()
        self._action: Callable[[list[int]], None] = lambda _: None
        self._output = ctypes.create_string_buffer(OUTPUT)
        flash, ram = chip.memory_of("code"), chip.memory_of("data")
        self._slots = code_slots(chip, elf)  # a halfword has the slot of its word address
        self._table = mark_code(chip, elf, self._slots, marks)
        self._ranges = self._allowed()
        self._state = State(
            marks=self._table.ctypes.data,
            code_size=2 * (len(self._table) - 1),
            ranges=ctypes.addressof(self._ranges),
            n_ranges=len(self._ranges),
            flash_end=flash.end,
            stack_begin=elf.symbols["hb_bss_end"] - DATA,
            stack_low=ram.end - DATA,
            active=-1,
            outer=-1,
            output=ctypes.addressof(self._output),
            max_output=OUTPUT,
            watched=2**63,
            **self._uart(),
        )
        sizes = (marks.n_run, marks.n_input) if marks else (0, 0)
        self._counts = [(np.zeros(n, np.uint64), np.zeros(len(self._table), np.int64)) for n in sizes]
        for region, mark, (layers, executions) in zip(
            self._state.regions, (IS_RUN, IS_INPUT), self._counts, strict=True
        ):
            region.mark, region.fewest = mark, 2**63
            region.layers, region.n_layers = layers.ctypes.data, len(layers)
            region.executions = executions.ctypes.data
        self._load(poison)

    def __del__(self) -> None:
        if getattr(self, "_state", None) is not None and self._state.avr:
            self._driver.hb_avr_close(ctypes.byref(self._state))

    def run(self, sent: bytes = b"", patience: int = PATIENCE) -> bytes:
        """Feed bytes to the UART, run until the app has waited `patience` polls for more; what it sent meanwhile."""
        state = self._state
        state.input, state.n_input = sent, len(sent)
        state.n_output = state.empty = 0
        state.patience = patience
        end = time.monotonic() + SECONDS
        while (why := self._driver.hb_avr_run(ctypes.byref(state), STEPS)) != WAITING:
            if why == CALLED:
                self._action([self._word(24), self._word(22), self._word(20), self._word(18)])
            elif why != TIRED:
                raise EmulationError(self._explain())
            elif time.monotonic() > end:
                raise EmulationError(f"{self.chip.name} did not finish within {SECONDS} seconds, at {self._here()}")
        return self._output.raw[: state.n_output]

    def on_call(self, name: str, action: Callable[[list[int]], None]) -> None:
        """Call `action` with the first four arguments of 16 bits whenever a function is entered."""
        self._action = action
        self._state.watched = self.elf.symbols[name] // 2

    def read(self, address: int, size: int) -> bytes:
        """Bytes of data memory."""
        found = ctypes.create_string_buffer(size)
        self._driver.hb_avr_read(ctypes.byref(self._state), address, found, size)
        return found.raw

    @property
    def stack(self) -> int:
        """Most bytes of stack in use so far, return addresses included."""
        return self.chip.memory_of("data").end - DATA - int(self._state.stack_low)

    def counted(self, index: int) -> Counted:
        """What was counted of the forward pass (0) or of the input rule (1)."""
        region = self._state.regions[index]
        check_layers(self._marks, region.calls, region.fewest, region.most, region.n_layers)
        layers, executions = self._counts[index]
        return Counted(int(region.calls), int(region.count), tuple(int(n) for n in layers), executions)

    def by_function(self, index: int, calls: int) -> dict[str, int]:
        """Mean instructions of a call, by function, most first."""
        return by_function(self.elf, self.counted(index).executions, self._table, self._slots, calls)

    def cycles(self, index: int, calls: int) -> int:
        """Mean cycles of a call, as simavr counts them: those of the data sheet."""
        return round(self._state.regions[index].cycles / calls)

    def forget(self) -> None:
        """Set all counts to 0; what the stack needed so far stays known."""
        for region, arrays in zip(self._state.regions, self._counts, strict=True):
            region.calls = region.count = region.cycles = region.most = 0
            region.fewest = 2**63
            for array in arrays:
                array[:] = 0

    def _uart(self) -> dict[str, int]:
        uart = self.chip.emulated.uart
        found = {"tx": uart.base + uart.tx, "rx": uart.base + uart.rx}
        for what, (offset, mask, ready) in {"tx": uart.tx_ready, "rx": uart.rx_ready}.items():
            found |= {f"{what}_status": uart.base + offset, f"{what}_mask": mask, f"{what}_ready": ready}
        return found

    def _allowed(self) -> ctypes.Array[Range]:
        """What loads and stores may touch, in data memory."""
        ram = self.chip.memory_of("data")
        ranges = [(ram.origin - DATA, ram.end - DATA), CORE]
        ranges += [(p.base, p.base + p.size) for p in self.chip.emulated.peripherals]
        return (Range * len(ranges))(*(Range(*values) for values in ranges))

    def _load(self, poison: int) -> None:
        state, ram = ctypes.byref(self._state), self.chip.memory_of("data")
        if not self._driver.hb_avr_open(state, self.chip.name.encode(), self.chip.clock_hz or 0):
            raise HalfbyteError(f"this simavr has no {self.chip.name}")
        for segment in self.elf.segments:
            end, size = segment.load + len(segment.data), self._driver.hb_avr_flash_size(state)
            if end > size:  # only a traced twin can be so large
                raise EmulationError(
                    f"{self.chip.name}: the image that shows its layers takes {end:,} bytes of flash, and there are "
                    f"{size:,}; make a layer narrower"
                )
            self._driver.hb_avr_load(state, segment.load, segment.data, len(segment.data))
        self._driver.hb_avr_fill(state, 0, poison, REGISTERS)
        self._driver.hb_avr_fill(state, ram.origin - DATA, poison, ram.size)

    def _word(self, register: int) -> int:
        return int.from_bytes(self.read(register, 2), "little")

    def _here(self) -> str:
        return self.elf.where(int(self._driver.hb_avr_pc(ctypes.byref(self._state))))

    def _explain(self) -> str:
        fault, address = int(self._state.fault), int(self._state.address)
        what = (FAULTS | MORE_FAULTS)[fault]
        where = "" if fault in {1, CRASHED} else f" at 0x{address:04x},"
        return f"{self.chip.name} {what}{where} at {self._here()}"
