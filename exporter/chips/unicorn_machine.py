# SPDX-License-Identifier: Apache-2.0
"""An emulated RISC-V or Cortex-M: its memory map and nothing else, its UART, exact counts, and no forgiveness.

The emulator (unicorn, GPL-2.0, an optional extra) accepts more than silicon does; what it forgives is refused here.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from exporter.chips.cycles import MODELS, Step
from exporter.chips.isa import ISAS, instructions
from exporter.chips.machine import (
    PATIENCE,
    SECONDS,
    Counted,
    EmulationError,
    Marks,
    by_function,
    check_layers,
    code_slots,
    ctrl_c_afterwards,
    mark_code,
)
from exporter.chips.watch import FAULTS, IS_CODE, IS_INPUT, IS_RUN, Range, Watch, compiled_hooks
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.chips.chip import Chip
    from exporter.chips.elf import Elf

PAGE = 4096


def _module(name: str) -> Any:  # noqa: ANN401 (it has no types)
    """A module of the emulator, an optional extra."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise HalfbyteError("the emulator is not installed: pip install 'halfbyte[emulator]'") from None


def _core(chip: Chip) -> tuple[Any, dict[str, int]]:
    """The bare emulator of a chip's core, and its registers by role."""
    unicorn = _module("unicorn")
    if ISAS[chip.isa].family == "riscv":
        names = {"sp": "X2", "return": "X1", "pc": "PC", "a0": "X10", "a1": "X11", "a2": "X12", "a3": "X13"}
        core = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        return core, {
            role: getattr(_module("unicorn.riscv_const"), f"UC_RISCV_REG_{name}") for role, name in names.items()
        }
    names = {"sp": "SP", "return": "LR", "pc": "PC", "a0": "R0", "a1": "R1", "a2": "R2", "a3": "R3", "flags": "XPSR"}
    core = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    arm_const = _module("unicorn.arm_const")
    model = {"armv6m": arm_const.UC_CPU_ARM_CORTEX_M0, "armv7em": arm_const.UC_CPU_ARM_CORTEX_M4}[chip.isa]
    core.ctl_set_cpu_model(model)
    return core, {role: getattr(arm_const, f"UC_ARM_REG_{name}") for role, name in names.items()}


class Machine:
    """A chip with an image in it. `marks`: what to count; without, nothing is counted, and it runs faster."""

    def __init__(self, chip: Chip, elf: Elf, marks: Marks | None = None, poison: int = 0xA5) -> None:
        self.chip, self.elf, self._marks = chip, elf, marks
        self.core, self.registers = _core(chip)
        self.thumb = ISAS[chip.isa].family == "thumb"
        self._received, self._queue, self._empty, self._patience = bytearray(), bytearray(), 0, PATIENCE
        self._trouble: HalfbyteError | None = None
        self._values: dict[int, int] = {}
        self._map(poison)
        self._slots = code_slots(chip, elf)
        self._watch = Watch(active=-1, outer=-1, stack_low=chip.memory_of("data").end)
        self._keep: list[Any] = []  # what C points to
        self._hook(marks)
        self._pc = self._reset()

    def run(self, sent: bytes = b"", patience: int = PATIENCE) -> bytes:
        """Feed bytes to the UART, run until the app has waited `patience` polls for more; what it sent meanwhile."""
        self._queue += sent
        self._patience = patience
        self._received.clear()
        self._empty = self._watch.wait = 0
        unicorn = _module("unicorn")

        try:
            with ctrl_c_afterwards():
                self.core.emu_start(self._pc | int(self.thumb), 0xFFFF_FFFE, timeout=SECONDS * 1_000_000)
        except unicorn.UcError as error:
            self._explain()
            raise EmulationError(f"{self.chip.name} stopped at {self._here()}: {error}") from None
        self._explain()
        self._check_code()
        self._pc = self.core.reg_read(self.registers["pc"])
        if self._empty <= patience:
            raise EmulationError(f"{self.chip.name} did not finish within {SECONDS} seconds, at {self._here()}")
        return bytes(self._received)

    def _check_code(self) -> None:
        """Is the code in RAM, which anything may write to, still that of the image?"""
        for memory in self.chip.memory:
            for address, code in self.elf.code():
                inside = memory.kind == "ram" and memory.origin <= address < memory.end
                if inside and self.read(address, len(code)) != code:
                    raise EmulationError(f"{self.chip.name} wrote over its own code at {self.elf.where(address)}")

    def on_call(self, name: str, action: Callable[[list[int]], None]) -> None:
        """Call `action` with the first four arguments whenever a function is entered."""
        unicorn = _module("unicorn")

        address = self.elf.symbols[name] & ~int(self.thumb)
        roles = [self.registers[role] for role in ("a0", "a1", "a2", "a3")]

        def entered(core: Any, *_: object) -> None:  # noqa: ANN401 (unicorn has no types)
            action([core.reg_read(role) for role in roles])

        self.core.hook_add(unicorn.UC_HOOK_BLOCK, entered, begin=address, end=address)

    def read(self, address: int, size: int) -> bytes:
        """Bytes of memory."""
        return bytes(self.core.mem_read(address, size))

    @property
    def stack(self) -> int:
        """Most bytes of stack in use so far."""
        return self.chip.memory_of("data").end - int(self._watch.stack_low)

    def counted(self, index: int) -> Counted:
        """What was counted of the forward pass (0) or of the input rule (1)."""
        region = self._watch.regions[index]
        check_layers(self._marks, region.calls, region.fewest, region.most, region.n_layers)
        layers, difference, *_ = self._keep[index]
        return Counted(
            int(region.calls), int(region.count), tuple(int(n) for n in layers), difference.cumsum()[:-1]
        )  # fmt: skip

    def by_function(self, index: int, calls: int) -> dict[str, int]:
        """Mean instructions of a call, by function, most first."""
        return by_function(self.elf, self.counted(index).executions, self._keep[2], self._slots, calls)

    def cycles(self, index: int, calls: int) -> int | None:
        """Mean cycles of a call by the model of the chip's core, None without one."""
        timing = self.chip.cycles
        if timing is None:
            return None
        loads = int(self._watch.regions[index].rom_loads)
        return round(MODELS[timing.model](self.steps(index), loads, timing.wait_states) / calls)

    def steps(self, index: int) -> list[Step]:
        """Every instruction that was executed, with what it did in all calls."""
        _, _, left, landed = self._keep[index]
        counts = self.counted(index).executions
        steps = []
        for start, code in self.elf.code():
            for address, length, bits in instructions(ISAS[self.chip.isa], start, code):
                at = self._slots.of(address)
                if counts[at]:
                    taken, arrived = int(left[at + length // 2]), int(landed[at])
                    rom = any(m.kind == "rom" and m.origin <= address < m.end for m in self.chip.memory)
                    steps.append(Step(address, length, bits, int(counts[at]), taken, arrived, rom))
        return steps

    def forget(self) -> None:
        """Set all counts to 0; what the stack needed so far stays known."""
        for index, region in enumerate(self._watch.regions):
            region.calls = region.count = region.most = region.rom_loads = 0
            region.fewest = 2**63
            for array in self._keep[index]:
                array[:] = 0

    def _explain(self) -> None:
        if self._trouble:
            raise self._trouble
        if self._watch.fault:
            what = FAULTS[self._watch.fault]
            at = self.elf.where(self._watch.address)
            code = self._watch.fault == 1
            here = "" if code else f" at {self._here()}"
            size = f"{self._watch.size} bytes at " if self._watch.size else ""
            size = "" if code else f" ({size}0x{self._watch.address:08x})"
            raise EmulationError(f"{self.chip.name} {what}{f' at {at}' if code else size}{here}")

    def _here(self) -> str:
        return self.elf.where(self.core.reg_read(self.registers["pc"]))

    def _reset(self) -> int:
        origin = self.chip.memory_of("code").origin
        if self.chip.boot == "entry":
            return origin
        sp, pc = np.frombuffer(self.elf.read(origin, 8), "<u4")
        self.core.reg_write(self.registers["sp"], int(sp))
        return int(pc) & ~1

    def _map(self, poison: int) -> None:
        unicorn = _module("unicorn")

        pages = set()
        for memory in self.chip.memory:
            pages |= set(range(memory.origin // PAGE, -(-memory.end // PAGE)))
        for begin, end in _stretches(pages):
            self.core.mem_map(begin * PAGE, (end - begin) * PAGE)
        for memory in self.chip.memory:
            fill = 0xFF if memory.kind == "rom" else poison
            self.core.mem_write(memory.origin, bytes([fill]) * memory.size)
        for segment in self.elf.segments:
            self.core.mem_write(segment.load, segment.data)
        ends = [(p.base // PAGE, (p.base + p.size - 1) // PAGE) for p in self.chip.emulated.peripherals]
        for page in sorted({page for first, last in ends for page in range(first, last + 1)}):
            self.core.mem_map(page * PAGE, PAGE)
        hooks = (unicorn.UC_HOOK_MEM_READ, self._load), (unicorn.UC_HOOK_MEM_WRITE, self._store)
        for (kind, action), p in itertools.product(hooks, self.chip.emulated.peripherals):
            self.core.hook_add(kind, action, begin=p.base, end=p.base + p.size - 1)

    def _load(self, _core: object, _type: int, address: int, size: int, *_: object) -> None:
        """Put what a register reads as where the load that comes next will find it."""
        if self._word(address, size):
            self.core.mem_write(address, self._value(address).to_bytes(4, "little"))

    def _value(self, address: int) -> int:
        uart = self.chip.emulated.uart
        if address == uart.base + uart.rx and self._queue:
            return self._queue.pop(0)
        value = self._values.get(address, 0)
        for peripheral in self.chip.emulated.peripherals:
            for at, ready in peripheral.ready:
                value |= ready if address == peripheral.base + at else 0
        counter = self.chip.emulated.counter
        if counter and address == counter.address:
            count = int(self._watch.total)
            return (-count if counter.down else count) & ((1 << counter.bits) - 1)
        if address == uart.base + uart.tx_ready[0]:
            value = value & ~uart.tx_ready[1] | uart.tx_ready[2]
        if address == uart.base + uart.rx_ready[0]:
            value = self._rx_status(value)
        return value

    def _rx_status(self, value: int) -> int:
        _, mask, ready = self.chip.emulated.uart.rx_ready
        self._empty = 0 if self._queue else self._empty + 1
        self._watch.wait = int(self._empty > self._patience)  # not right here: this may be inside an IT block
        return value & ~mask | (ready if self._queue else 0 if ready else mask)

    def _store(self, _core: object, _type: int, address: int, size: int, value: int, *_: object) -> None:
        uart = self.chip.emulated.uart
        if not self._word(address, size):
            return
        if address == uart.base + uart.tx:
            self._received.append(value & 0xFF)
            self._empty = 0
        else:
            self._values[address] = value & 0xFFFFFFFF

    def _word(self, address: int, size: int) -> bool:
        """Is it an access of 32 bits, as registers ask for? The first that is not stops the machine."""
        if size != 4 and self._trouble is None:
            what = f"a {size}-byte access to the 32-bit register 0x{address:08x}"
            self._trouble = EmulationError(f"{self.chip.name} made {what}, at {self._here()}")
            self.core.emu_stop()
        return size == 4

    def _hook(self, marks: Marks | None) -> None:
        unicorn = _module("unicorn")
        library = _module("unicorn.unicorn_py3.unicorn").uclib

        watch, elf, chip = self._watch, self.elf, self.chip
        table, before = self._tables(marks)
        counts = [
            (np.zeros(n, np.uint64), *(np.zeros(len(table), np.int64) for _ in range(3)))
            for n in (marks.n_run if marks else 0, marks.n_input if marks else 0)
        ]
        ranges = [(m.origin, m.end, m.kind == "ram") for m in chip.memory]
        ranges += [(p.base, p.base + p.size, True) for p in chip.emulated.peripherals]
        array = (Range * len(ranges))(*(Range(*values) for values in ranges))
        self._keep = [*counts, table, before, array]
        for code, values in zip(watch.codes, self._slots.ranges, strict=False):
            code.begin, code.end, code.slot = values
        watch.nowhere = len(table) - 1
        watch.marks, watch.before = table.ctypes.data, before.ctypes.data
        watch.ranges, watch.n_ranges = ctypes.addressof(array), len(ranges)
        watch.stack_begin, watch.stack_end = elf.symbols["hb_bss_end"], chip.memory_of("data").end
        watch.data_begin = chip.memory_of("data").origin
        watch.reg_sp, watch.reg_return = self.registers["sp"], self.registers["return"]
        watch.reg_read = ctypes.cast(library.uc_reg_read, ctypes.c_void_p).value
        watch.reg_write = ctypes.cast(library.uc_reg_write, ctypes.c_void_p).value
        watch.reg_flags = self.registers.get("flags", 0)
        watch.stop = ctypes.cast(library.uc_emu_stop, ctypes.c_void_p).value
        for index, (mark, (layers, difference, left, landed)) in enumerate(
            zip((IS_RUN, IS_INPUT), counts, strict=True)
        ):
            region = watch.regions[index]
            region.mark, region.fewest = mark, 2**63
            region.layers, region.n_layers = layers.ctypes.data, len(layers)
            region.difference = difference.ctypes.data
            region.left, region.landed = left.ctypes.data, landed.ctypes.data
        self._add(library, unicorn.UC_HOOK_BLOCK, compiled_hooks().hb_watch_block)
        self._add(library, unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, compiled_hooks().hb_watch_access)

    def _add(self, library: Any, kind: int, function: Any) -> None:  # noqa: ANN401 (ctypes)
        handle = ctypes.c_size_t()
        everywhere = ctypes.c_uint64(1), ctypes.c_uint64(0)
        status = library.uc_hook_add(
            self.core._uch,  # noqa: SLF001 (the binding only adds hooks written in Python)
            ctypes.byref(handle),
            kind,
            ctypes.cast(function, ctypes.c_void_p),
            ctypes.addressof(self._watch),
            *everywhere,
        )
        if status:
            raise AssertionError(f"uc_hook_add failed with {status}")

    def _tables(self, marks: Marks | None) -> tuple[Any, Any]:
        """Marks of every halfword of code, and how many instructions begin before it."""
        table = mark_code(self.chip, self.elf, self._slots, marks)
        before = np.concatenate([[0], np.cumsum(table & IS_CODE)]).astype(np.uint32)
        return table, before


def _stretches(pages: set[int]) -> list[tuple[int, int]]:
    """Runs of consecutive pages as [begin, end)."""
    found: list[tuple[int, int]] = []
    for page in sorted(pages):
        if found and found[-1][1] == page:
            found[-1] = (found[-1][0], page + 1)
        else:
            found.append((page, page + 1))
    return found
