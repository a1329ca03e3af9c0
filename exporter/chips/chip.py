# SPDX-License-Identifier: Apache-2.0
"""Chips: one TOML file each in firmware/targets/, validated by a schema; nothing else in the project names a chip."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from exporter.chips.cycles import MODELS
from exporter.chips.isa import ISAS
from training.errors import HalfbyteError

FIRMWARE = Path(__file__).parents[2] / "firmware"
TARGETS = FIRMWARE / "targets"
PORTS = FIRMWARE / "ports"
AList = Field(strict=False)  # TOML has lists, no tuples
Address = Annotated[int, Field(ge=0, lt=2**32)]
Size = Annotated[int, Field(ge=1, le=2**31)]
Bits = Annotated[tuple[Address, Address, Address], AList]  # (offset, mask, value when it is so)
Words = Annotated[tuple[str, ...], AList]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Memory(_Section):
    """A range of addresses with memory behind it. `rom` keeps what was flashed and faults on writes."""

    name: Annotated[str, Field(pattern=r"^[a-z]+$")]
    kind: Literal["rom", "ram"]
    origin: Address
    size: Size

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.origin + self.size


class Place(_Section):
    """Names of the memories that hold code, constant tables, and data with the stack at their end."""

    code: str
    tables: str
    data: str


class Zig(_Section):
    """Arguments of `zig`: -target, -mcpu, and others, where {model} is the name of the network."""

    target: str
    cpu: str
    flags: Words = ()


class Gcc(_Section):
    """Prefix of the cross compiler's name, and its flags for the core."""

    prefix: str
    flags: Words


class Flasher(_Section):
    """Command that writes an image; {bin}, {hex}, {uf2}, {esp}, {port} are filled in. `install`: how to get it."""

    command: Words
    install: str


class Uart(_Section):
    """The UART as the emulator plays it: offsets of its registers, and when its status says ready."""

    base: Address
    tx: Address
    rx: Address
    tx_ready: Bits
    rx_ready: Bits


class Counter(_Section):
    """A register that counts cycles."""

    address: Address
    bits: Annotated[int, Field(ge=8, le=32)]
    down: bool


class Peripheral(_Section):
    """Registers that the port may touch. `ready`: (offset, bits that always read as 1), so that waiting ends."""

    name: str
    base: Address
    size: Size
    ready: Annotated[tuple[Annotated[tuple[Address, Address], AList], ...], AList] = ()


class Cycles(_Section):
    """Which model of `exporter.chips.cycles` the core's time is estimated with, and its flash's wait states."""

    model: str
    wait_states: Annotated[int, Field(ge=0, le=15)]


class Emulated(_Section):
    """What the emulator needs to know besides memory: every register that a correct port touches."""

    uart: Uart = Uart(base=0, tx=0, rx=0, tx_ready=(0, 0, 0), rx_ready=(0, 0, 0))
    peripherals: Annotated[tuple[Peripheral, ...], AList] = ()
    counter: Counter | None = None


class Chip(_Section):
    """A microcontroller.

    isa        what the core executes, a name in `exporter.chips.isa.ISAS`
    port       sources in firmware/ports/ that bring it up
    clock_hz   None where there is no clock of its own: wasm32, host
    boot       vectors: the image begins with stack pointer and reset vector; entry: with the first instruction
    defines    macros for the port
    silicon    has an image of ours been seen to run on a real one?
    uf2_family of a UF2 file, where the chip takes those
    esp_image  chip number in the header of Espressif's image format, where the chip takes that
    """

    name: str
    about: str
    core: str
    isa: str
    clock_hz: Annotated[int, Field(ge=1)] | None = None
    port: Words
    boot: Literal["vectors", "entry"]
    emulator: Literal["unicorn", "simavr", "wasmtime", "native"]
    silicon: bool
    uf2_family: Address | None = None
    esp_image: Annotated[int, Field(ge=0, le=65535)] | None = None
    place: Place
    memory: Annotated[tuple[Memory, ...], AList]
    zig: Zig
    gcc: Gcc | None = None
    defines: dict[str, int] = {}
    flasher: Flasher | None = None
    emulated: Emulated = Emulated()
    cycles: Cycles | None = None

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Chip:
        names = [memory.name for memory in self.memory]
        for what, name in self.place.model_dump().items():
            if name not in names:
                raise ValueError(f"place.{what} = '{name}' is none of its memories {', '.join(names)}")
        if self.memory_of("data").kind != "ram":
            raise ValueError("place.data must be a memory of kind 'ram'")
        if self.isa not in ISAS:
            raise ValueError(f"isa '{self.isa}' is none of {', '.join(ISAS)}")
        if self.cycles and self.cycles.model not in MODELS:
            raise ValueError(f"cycles.model '{self.cycles.model}' is none of {', '.join(MODELS)}")
        for source in self.port:
            if not (PORTS / source).is_file():
                raise ValueError(f"port: firmware/ports/{source} does not exist")
        return self

    def with_model(self, name: str) -> Chip:
        """The chip with the name of a network in the arguments of its compiler."""
        flags = tuple(flag.format(model=name) for flag in self.zig.flags)
        return self.model_copy(update={"zig": self.zig.model_copy(update={"flags": flags})})

    def memory_of(self, what: str) -> Memory:
        """The memory that holds `code`, `tables` or `data`."""
        name = getattr(self.place, what)
        return next(memory for memory in self.memory if memory.name == name)

    @property
    def runs_from_ram(self) -> bool:
        """Is an image loaded to RAM, and gone when the power is?"""
        return self.memory_of("code").kind == "ram"

    def total(self, kind: str) -> int:
        """Bytes of all memories of a kind."""
        return sum(memory.size for memory in self.memory if memory.kind == kind)


def chip_names() -> list[str]:
    """Names of the chips there is a description of."""
    return sorted(path.stem for path in TARGETS.glob("*.toml"))


def load_chip(name: str) -> Chip:
    """The chip of that name; HalfbyteError names the nearest one, or the wrong key of its description."""
    path = TARGETS / f"{name}.toml"
    if name not in chip_names():
        close = difflib.get_close_matches(name.lower(), chip_names(), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise HalfbyteError(f"no chip '{name}'{hint} (see: halfbyte chips)")
    return read_chip(path)


def read_chip(path: Path) -> Chip:
    """The chip that a file describes; its name is the file's."""
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HalfbyteError(f"{path}: not TOML: {error}") from None
    try:
        return Chip.model_validate({"name": path.stem, **table})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise HalfbyteError(f"{path}: {key + ': ' if key else ''}{message[0].lower()}{message[1:]}") from None


def chip_rows() -> list[dict[str, Any]]:
    """The table of chips, a dict for each; sizes in bytes."""
    return [
        {
            "chip": chip.name,
            "core": chip.core,
            "isa": chip.isa,
            "flash": chip.total("rom"),
            "ram": chip.total("ram"),
            "clock_hz": chip.clock_hz,
            "runs_from": "ram" if chip.runs_from_ram else "flash",
            "toolchains": ["zig", "gcc"] if chip.gcc else ["zig"],
            "emulator": chip.emulator,
            "silicon": chip.silicon,
            "about": chip.about,
        }
        for chip in map(load_chip, chip_names())
    ]
