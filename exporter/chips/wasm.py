# SPDX-License-Identifier: Apache-2.0
"""WebAssembly: a linked module as an image, and wasmtime (Apache-2.0, an optional extra), which runs it.

Instructions are wasmtime's fuel: an operator costs 1, as does the begin of a function; block, loop,
nop, drop and unreachable cost nothing.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from exporter.chips.effect import signed
from exporter.chips.elf import Elf, Segment
from exporter.chips.machine import PATIENCE, Counted, EmulationError, Marks, ctrl_c_afterwards
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.chips.chip import Chip

HEADER = 8  # bytes of magic number and version
CUSTOM, GLOBALS, EXPORTS = 0, 6, 7  # sections
GLOBAL = 3  # kind of an export
I32_CONST = 0x41
FUEL = 20_000_000_000  # operators that one exchange may take: about a minute


class _WaitingError(Exception):
    """The app waits for a frame: back to whoever runs it."""


def _number(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where it ends."""
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _sections(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = HEADER
    while at < len(raw):
        size, begin = _number(raw, at + 1)
        yield raw[at], raw[begin : begin + size]
        at = begin + size


def _globals(section: bytes) -> list[int]:
    """Initial values of the globals, all of them constants of 32 bits (below 2^31, so their sign is 0)."""
    count, at = _number(section, 0)
    values = []
    for _ in range(count):
        if section[at + 2] != I32_CONST:
            raise HalfbyteError("the module has a global that is no i32 constant")
        value, at = _number(section, at + 3)
        values.append(value)
        at += 1  # end
    return values


def _exports(section: bytes) -> dict[str, tuple[int, int]]:
    """Kind and index of every export."""
    count, at = _number(section, 0)
    found = {}
    for _ in range(count):
        length, at = _number(section, at)
        name, kind = section[at : at + length].decode(), section[at + length]
        index, at = _number(section, at + length + 1)
        found[name] = kind, index
    return found


def read_wasm(path: Path) -> Elf:
    """The image in a module: its bytes without names are what is loaded; the stack lies below the data."""
    raw = path.read_bytes()
    sections = list(_sections(raw))
    values = _globals(next(data for kind, data in sections if kind == GLOBALS))
    exports = _exports(next(data for kind, data in sections if kind == EXPORTS))
    loaded = raw[:HEADER] + b"".join(bytes([kind]) + _leb(len(data)) + data for kind, data in sections if kind)
    symbols = {name: values[index] for name, (kind, index) in exports.items() if kind == GLOBAL}
    stack = values[0]  # the stack pointer is the first global, and begins at the end of the stack
    symbols |= {"hb_bss_end": symbols["__heap_base"] - stack, "hb_kernels_begin": 0, "hb_kernels_end": 0}
    return Elf(raw, 0, (Segment(0, 0, loaded),), (), symbols, (), stack)


def _leb(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _module(name: str) -> Any:  # noqa: ANN401 (it has too few types)
    try:
        return importlib.import_module(name)
    except ImportError:
        raise HalfbyteError("the emulator is not installed: pip install 'halfbyte[emulator]'") from None


class Machine:
    """A module in wasmtime. `marks`: the functions whose operators are counted."""

    def __init__(self, chip: Chip, elf: Elf, marks: Marks | None = None, poison: int = 0xA5) -> None:
        wasmtime = _module("wasmtime")
        self.chip, self.elf, self.marks, self.poison = chip, elf, marks, poison
        self._queue, self._received = bytearray(), bytearray()
        self._action: Callable[[list[int]], None] = lambda _: None
        self._counts = [[0, 0], [0, 0]]  # calls and operators of the forward pass and of the input rule
        self._booted = self._inside = False
        config = wasmtime.Config()
        config.consume_fuel = True
        self._trap = wasmtime.Trap, wasmtime.WasmtimeError
        self._store = wasmtime.Store(wasmtime.Engine(config))
        self._store.set_fuel(FUEL)
        self._exports = self._instantiate(wasmtime).exports(self._store)
        self._exports["memory"].write(self._store, bytes([poison]) * (elf.stack or 0), 0)

    def _instantiate(self, wasmtime: Any) -> Any:  # noqa: ANN401
        linker, word = wasmtime.Linker(self._store.engine), wasmtime.ValType.i32()
        imports: dict[str, tuple[int, int, Callable[..., int | None]]] = {
            "write": (1, 0, self._received.append),
            "read": (0, 1, self._read),
            "cycles": (0, 1, self._cycles),
            "trace": (4, 0, lambda *arguments: self._action(list(arguments))),
        }
        for name, (takes, gives, action) in imports.items():
            linker.define_func("hb", name, wasmtime.FuncType([word] * takes, [word] * gives), action)
        return linker.instantiate(self._store, wasmtime.Module(self._store.engine, self.elf.raw))

    def run(self, sent: bytes = b"", patience: int = PATIENCE) -> bytes:  # noqa: ARG002 (nothing comes while it runs)
        """Feed bytes to the app, run until it has read them all; what it sent meanwhile."""
        self._queue += sent
        self._received.clear()
        self._store.set_fuel(FUEL)
        try:
            with ctrl_c_afterwards():
                if not self._booted:
                    self._call("hb_boot")
                while self._queue:
                    self._call("hb_serve")
        except _WaitingError:
            self._booted = True
        except self._trap as error:
            raise EmulationError(f"{self.chip.name} stopped: {_reason(str(error))}") from None
        return bytes(self._received)

    def on_call(self, name: str, action: Callable[[list[int]], None]) -> None:
        """Call `action` with the arguments of hb_trace, the one function that can be watched."""
        if name != "hb_trace":
            raise AssertionError(name)
        self._action = action

    def read(self, address: int, size: int) -> bytes:
        """Bytes of linear memory."""
        return bytes(self._exports["memory"].read(self._store, address, address + size))

    @property
    def stack(self) -> int:
        """Most bytes of the stack in linear memory that were written so far."""
        size = self.elf.stack or 0
        written = np.flatnonzero(np.frombuffer(self.read(0, size), np.uint8) != self.poison)
        return size - int(written[0]) if len(written) else 0

    def forget(self) -> None:
        """Set all counts to 0."""
        self._counts = [[0, 0], [0, 0]]

    def counted(self, index: int) -> Counted:
        """Operators of the forward pass (0) or of the input rule (1); those of a layer are not known."""
        calls, operators = self._counts[index]
        return Counted(calls, operators, None, np.zeros(0, np.int64))

    def by_function(self, index: int, calls: int) -> dict[str, int]:  # noqa: ARG002
        """Nothing: operators are not counted by function."""
        return {}

    def cycles(self, index: int, calls: int) -> None:
        """None: a module has no clock."""

    def _call(self, name: str, *arguments: int) -> None:
        self._exports[name](self._store, *arguments)

    def _read(self) -> int:
        if self._queue:
            return self._queue.pop(0)
        if not self._booted:
            raise _WaitingError
        return -1

    def _used(self) -> int:
        return int(FUEL - self._store.get_fuel())

    def _cycles(self) -> int:
        """Operators so far. The app asks before and after the forward pass: the first time it is counted on its own."""
        self._inside = not self._inside
        if self.marks and self._booted and self._inside:
            at = {name: self.elf.symbols[f"hb_app_{name}"] for name in ("memory", "x", "result")}
            for count, name, arguments in (
                (self._counts[1], self.marks.input, (at["x"], at["memory"])),
                (self._counts[0], self.marks.run[0], (at["result"], at["x"], at["memory"])),
            ):
                before = self._used()
                self._call(name, *arguments)
                count[0] += 1
                count[1] += self._used() - before
        return signed(self._used(), 32)


def _reason(message: str) -> str:
    """The cause of a trap and the function it happened in, in one line."""
    cause, where = re.search(r"wasm trap: (.*)", message), re.search(r"!(\w+)", message)
    return f"{cause[1] if cause else message.splitlines()[0]}{' at ' + where[1] if where else ''}"
