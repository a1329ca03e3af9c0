# SPDX-License-Identifier: Apache-2.0
"""The machine itself as a chip: the app is a process that talks over standard input and output; nothing is counted."""

from __future__ import annotations

import os
import selectors
import struct
import subprocess
import tempfile
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from exporter.chips.elf import Elf, Segment
from exporter.chips.machine import PATIENCE, SECONDS, Counted, EmulationError, Marks
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.chips.chip import Chip

EVENT = struct.Struct("=4I")
WAITING, TRACED = 1, 2  # as in firmware/ports/host/port.c
ALLOCATED, WRITABLE = 2, 1  # flags of a section


def read_program(path: Path) -> Elf:
    """The image in a program of this machine: the bytes of its sections, and of what they take in memory."""
    try:
        with path.open("rb") as file:
            sections = [s for s in ELFFile(file).iter_sections() if s["sh_flags"] & ALLOCATED]
            loaded = b"".join(s.data() for s in sections if s["sh_type"] != "SHT_NOBITS")
            ram = sum(s["sh_size"] for s in sections if s["sh_flags"] & WRITABLE)
    except ELFError:
        raise HalfbyteError("the compiler's programs are no ELF files: the chip 'host' needs Linux") from None
    symbols = {"hb_bss_end": ram, "hb_kernels_begin": 0, "hb_kernels_end": 0}
    return Elf(path.read_bytes(), 0, (Segment(0, 0, loaded),), (), symbols, (), 0)


def _stop(process: subprocess.Popen[bytes], events: int, folder: tempfile.TemporaryDirectory[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
    os.close(events)
    folder.cleanup()


class Machine:
    """The app as a process. It is killed when this object goes."""

    def __init__(self, chip: Chip, elf: Elf, marks: Marks | None = None, poison: int = 0xA5) -> None:  # noqa: ARG002
        self.chip = chip
        self._sent, self._waits = 0, False
        self._events, self._traced = bytearray(), b""
        self._action: Callable[[list[int]], None] = lambda _: None
        self._layers = (marks.n_run, marks.n_input) if marks else (0, 0)
        folder = tempfile.TemporaryDirectory(prefix="halfbyte-")
        program = Path(folder.name) / "firmware"
        program.write_bytes(elf.raw)
        program.chmod(0o700)
        self._from, to = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603 (the image, and nothing else)
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[to],
            env={**os.environ, "HB_EVENTS": str(to)},
            bufsize=0,
        )
        os.close(to)
        weakref.finalize(self, _stop, self._process, self._from, folder)

    def run(self, sent: bytes = b"", patience: int = PATIENCE) -> bytes:  # noqa: ARG002 (it says when it waits)
        """Feed bytes to the app, wait until it has read them and waits for more; what it sent meanwhile."""
        output, rest, self._waits = bytearray(), sent, False
        self._sent += len(sent)
        end = time.monotonic() + SECONDS
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        with selectors.DefaultSelector() as ready:
            ready.register(self._from, selectors.EVENT_READ)
            ready.register(stdout, selectors.EVENT_READ)
            if sent:
                ready.register(stdin, selectors.EVENT_WRITE)
            while not (self._waits and not rest):
                if time.monotonic() > end:
                    raise EmulationError(f"{self.chip.name} did not finish within {SECONDS} seconds")
                for key, _ in ready.select(1.0):
                    if key.fileobj is stdin:
                        rest = rest[os.write(stdin.fileno(), rest[:1024]) :]
                        if not rest:
                            ready.unregister(stdin)
                    elif key.fileobj is stdout:
                        output += self._take(stdout.fileno())
                    else:
                        self._hear(self._take(self._from))
            ready.unregister(self._from)
            while ready.select(0):  # it flushed before it said that it waits
                output += self._take(stdout.fileno())
        return bytes(output)

    def on_call(self, name: str, action: Callable[[list[int]], None]) -> None:
        """Call `action` with the arguments of hb_trace, the one function that can be watched."""
        if name != "hb_trace":
            raise AssertionError(name)
        self._action = action

    def read(self, address: int, size: int) -> bytes:  # noqa: ARG002
        """Bytes of the tensor that hb_trace was called for."""
        return self._traced[:size]

    @property
    def stack(self) -> int:
        """Not known: 0."""
        return 0

    def forget(self) -> None:
        """There are no counts."""

    def counted(self, index: int) -> Counted:  # noqa: ARG002
        """Nothing is counted."""
        return Counted(0, None, None, np.zeros(0, np.int64))

    def by_function(self, index: int, calls: int) -> dict[str, int]:  # noqa: ARG002
        """Nothing."""
        return {}

    def cycles(self, index: int, calls: int) -> None:
        """None: not counted."""

    def _take(self, file: int) -> bytes:
        data = os.read(file, 1 << 16)
        if not data:
            raise EmulationError(f"{self.chip.name}: the process ended with code {self._process.wait()}")
        return data

    def _hear(self, data: bytes) -> None:
        self._events += data
        while len(self._events) >= EVENT.size:
            kind, a, b, c = EVENT.unpack_from(self._events)
            size = EVENT.size + (c if kind == TRACED else 0)
            if len(self._events) < size:
                return
            if kind == TRACED:
                self._traced = bytes(self._events[EVENT.size : size])
                self._action([a, b, 0, c])
            elif a == self._sent & 0xFFFFFFFF:
                self._waits = True
            del self._events[:size]
