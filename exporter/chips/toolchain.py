# SPDX-License-Identifier: Apache-2.0
"""Cross compilers: the pip-installed one (ziglang) by default, the machine's own gcc by choice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from exporter.chips.chip import Chip

OPTIMIZE = ("s", "2")
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
class Toolchain:
    """A compiler for one chip: `command` compiles and links, given the sources."""

    name: str
    command: tuple[str, ...]
    libraries: tuple[str, ...]


def _zig(chip: Chip) -> Toolchain:
    if not find_spec("ziglang"):
        raise HalfbyteError("the compiler ziglang is not installed: pip install 'halfbyte[firmware]'")
    target = ("-target", chip.zig.target, f"-mcpu={chip.zig.cpu}")
    symbols = ("-g", "-g0")  # but no slow debug information
    return Toolchain("zig", (sys.executable, "-m", "ziglang", "cc", *target, *symbols), ())


def _gcc(chip: Chip) -> Toolchain:
    compiler = shutil.which(f"{chip.gcc.prefix}gcc")
    if compiler is None:
        raise HalfbyteError(f"{chip.gcc.prefix}gcc is not installed: install it, or leave out --toolchain gcc")
    flags = ("-nostartfiles", "-nostdlib", "-fno-tree-loop-distribute-patterns", "-Wl,--build-id=none")
    return Toolchain("gcc", (compiler, *chip.gcc.flags, *flags), ("-lgcc",))


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
    include: Sequence[Path],
    script: Path,
    out: Path,
    optimize: str = "s",
    flags: Sequence[str] = (),
) -> None:
    """Compile and link sources to an ELF file; HalfbyteError with the compiler's first complaint."""
    command = [
        *toolchain.command,
        *COMMON,
        f"-O{optimize}",
        *flags,
        *(f"-I{folder}" for folder in include),
        "-Wl,--gc-sections",
        f"-Wl,-T,{script}" if toolchain.name == "gcc" else f"-T{script}",
        "-o",
        str(out),
        *map(str, sources),
        *toolchain.libraries,
    ]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT, cwd=out.parent)  # noqa: S603
    except OSError as error:
        raise HalfbyteError(f"{command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise HalfbyteError(f"{toolchain.name} did not finish in {TIMEOUT} seconds") from None
    if result.returncode:
        lines = result.stderr.splitlines()
        first = next((line for line in lines if "error" in line), lines[-1] if lines else "no message")
        raise HalfbyteError(f"{toolchain.name} cannot build the image: {first.strip()}")
