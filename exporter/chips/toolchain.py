# SPDX-License-Identifier: Apache-2.0
"""Cross compilers: the pip-installed one (ziglang) by default, the machine's own gcc by choice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.chips.chip import Chip

# How the kernels, and how all the rest is compiled: z smallest, s small, 2 fast.
COMPILE = {"s": ("s", "z"), "mix": ("2", "z"), "2": ("2", "2")}
TIMEOUT = 300  # seconds; the first call of zig builds its runtime
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wmissing-prototypes")
COMMON = (
    *WARNINGS,
    "-ffreestanding",
    "-fno-jump-tables",  # the bound of the stack follows calls, not tables
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
)


@dataclass(frozen=True)
class Part:
    """Sources that are compiled with the same flags."""

    sources: Sequence[str]
    flags: Sequence[str]


@dataclass(frozen=True)
class Toolchain:
    """A compiler for one chip.

    levels    its flags for z, s and 2
    commands  (parts, linker script if there is one, output) -> what to run, one after the other
    """

    name: str
    levels: dict[str, tuple[str, ...]]
    commands: Callable[[Sequence[Part], str | None, str], list[list[str]]]


def _zig(chip: Chip) -> Toolchain:
    if not find_spec("ziglang"):
        raise HalfbyteError("the compiler ziglang is not installed: pip install 'halfbyte[firmware]'")
    target = ("-target", chip.zig.target, f"-mcpu={chip.zig.cpu}", *chip.zig.flags)
    symbols = ("-O", "ReleaseSmall", "-fno-strip")  # but no slow debug information: -g0
    zig = (sys.executable, "-m", "ziglang", "build-exe", *target, *symbols, "--gc-sections")

    def commands(parts: Sequence[Part], script: str | None, out: str) -> list[list[str]]:
        sources = [word for part in parts for word in ("-cflags", *part.flags, "-g0", "--", *part.sources)]
        laid_out = ["-fentry=hb_reset", "--script", script] if script else []
        return [[*zig, *laid_out, f"-femit-bin={out}", *sources]]

    # Its -Oz is its -Os, and clang's own calls through pointers on a Cortex-M, where the stack would have no bound.
    smallest = ("-Os", "-mllvm", "-inline-threshold=0")
    fast = ("-O2", "-mllvm", "-disable-loop-idiom-hashrecognize")  # it makes a table of 1 KB of the CRC's loop
    return Toolchain("zig", {"z": smallest, "s": ("-Os",), "2": fast}, commands)


def _gcc(chip: Chip) -> Toolchain:
    if chip.gcc is None:
        raise HalfbyteError(f"there is no gcc for {chip.name}: leave out --toolchain gcc")
    compiler, own = shutil.which(f"{chip.gcc.prefix}gcc"), chip.gcc.flags
    if compiler is None:
        raise HalfbyteError(f"{chip.gcc.prefix}gcc is not installed: install it, or leave out --toolchain gcc")
    gcc = (compiler, *own)
    linked = ("-Wl,--build-id=none", "-Wl,--gc-sections")

    def commands(parts: Sequence[Part], script: str | None, out: str) -> list[list[str]]:
        shared = ("-fno-tree-loop-distribute-patterns", "-c")
        compiled = [[compiler, *shared, *part.flags, *own, *part.sources] for part in parts]
        objects = [f"./{Path(source).stem}.o" for part in parts for source in part.sources]
        laid_out = ["-nostartfiles", "-nostdlib", f"-Wl,-T,{script}"] if script else []
        return [*compiled, [*gcc, *linked, *laid_out, "-o", out, *objects, "-lgcc"]]

    return Toolchain("gcc", {"z": ("-Os",), "s": ("-Os",), "2": ("-O2",)}, commands)


TOOLCHAINS: dict[str, Callable[[Chip], Toolchain]] = {"zig": _zig, "gcc": _gcc}


def find_toolchain(name: str, chip: Chip) -> Toolchain:
    """The toolchain of that name for a chip; HalfbyteError where there is none."""
    if name not in TOOLCHAINS:
        raise HalfbyteError(f"--toolchain {name}: expected one of {', '.join(TOOLCHAINS)}")
    return TOOLCHAINS[name](chip)


def link(
    toolchain: Toolchain,
    sources: Sequence[Path],
    *,
    kernels: Sequence[Path] = (),
    include: Sequence[Path],
    script: Path | None,
    out: Path,
    way: str = "s",
    flags: Sequence[str] = (),
) -> None:
    """Compile and link sources to an ELF file; HalfbyteError with the compiler's first complaint.

    The kernels and the rest may be compiled in different ways, see COMPILE. Objects are left beside the output.
    """
    shared = [*COMMON, *flags, *(f"-I{folder}" for folder in include)]
    parts = [
        Part([str(path) for path in paths], [*shared, *toolchain.levels[level]])
        for paths, level in zip((kernels, sources), COMPILE[way], strict=True)
        if paths
    ]
    for command in toolchain.commands(parts, str(script) if script else None, str(out)):
        _run(toolchain, command, out.parent)


def _run(toolchain: Toolchain, command: Sequence[str], folder: Path) -> None:
    own = os.environ | {"TMPDIR": str(folder)}  # what a compiler that fails leaves behind goes with the folder
    try:
        result = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT, cwd=folder, env=own
        )
    except OSError as error:
        raise HalfbyteError(f"{command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise HalfbyteError(f"{toolchain.name} did not finish in {TIMEOUT} seconds") from None
    if result.returncode:
        lines = result.stderr.splitlines()
        first = next((line for line in lines if "error" in line), lines[-1] if lines else "no message")
        raise HalfbyteError(f"{toolchain.name} cannot build the image: {first.strip()}")
