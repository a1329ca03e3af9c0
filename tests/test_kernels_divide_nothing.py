# SPDX-License-Identifier: Apache-2.0
"""No kernel divides, whatever a compiler makes of its loops: cores without a divider would have to call a library."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

FIRMWARE = Path(__file__).parent.parent / "firmware"
ZIG = (sys.executable, "-m", "ziglang")
ZIG_CORES = {
    "armv6m": ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"),
    "rv32ec": ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+e+c-m-a-f-d"),
    "avr": ("-target", "avr-freestanding-none", "-mcpu=atmega328p"),
}
GCC_CORES = {
    "armv6m": ("arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb"),
    "rv32ec": ("riscv64-unknown-elf-gcc", "-march=rv32ec", "-mabi=ilp32e"),
    "avr": ("avr-gcc", "-mmcu=atmega328p"),
}
FLAGS = ("-std=gnu99", "-ffreestanding")  # gnu99: gcc's __flash is no C99
# A multiplication where there is no multiplier; nothing.
MULTIPLICATIONS = {"__mulsi3", "__mulhisi3", "__mulshisi3", "__umulhisi3", "__muluhisi3", "__usmulhisi3"}
CALLED = {"", "__aeabi_unwind_cpp_pr0"} | MULTIPLICATIONS


def undefined(path: Path) -> set[str]:
    with path.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab").iter_symbols()
        return {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF"}


def calls(folder: Path) -> dict[str, set[str]]:
    """What every kernel calls that calls anything but a multiplication, from its object in the folder."""
    sources = sorted([*(FIRMWARE / "src").glob("*.c"), *(FIRMWARE / "codecs").glob("*.c")])
    assert len(sources) >= 43
    found = {source.stem: undefined(folder / f"{source.stem}.o") - CALLED for source in sources}
    return {name: symbols for name, symbols in found.items() if symbols}


@pytest.mark.parametrize("level", ["-Os", "-O2"])
@pytest.mark.parametrize("core", ZIG_CORES)
def test_no_kernel_calls_a_division_when_zig_compiles_it(core, level, tmp_path):
    sources = [str(path) for path in sorted([*(FIRMWARE / "src").glob("*.c"), *(FIRMWARE / "codecs").glob("*.c")])]
    options = "-O", "ReleaseSmall", "-fno-strip", "-fno-compiler-rt", f"-I{FIRMWARE / 'include'}", "-femit-bin=all.a"
    flags = "-cflags", *FLAGS, "-w", level, "--"
    subprocess.run([*ZIG, "build-lib", *ZIG_CORES[core], *options, *flags, *sources], cwd=tmp_path, check=True)
    subprocess.run([*ZIG, "ar", "x", "all.a"], cwd=tmp_path, check=True)
    assert calls(tmp_path) == {}


@pytest.mark.parametrize("level", ["-Os", "-O2"])
@pytest.mark.parametrize("core", GCC_CORES)
def test_no_kernel_calls_a_division_when_gcc_compiles_it(core, level, tmp_path):
    sources = [str(path) for path in sorted([*(FIRMWARE / "src").glob("*.c"), *(FIRMWARE / "codecs").glob("*.c")])]
    if shutil.which(GCC_CORES[core][0]) is None:
        pytest.skip(f"no {GCC_CORES[core][0]} here")
    options = *FLAGS, level, f"-I{FIRMWARE / 'include'}", "-c"
    subprocess.run([*GCC_CORES[core], *options, *sources], cwd=tmp_path, check=True)
    assert calls(tmp_path) == {}
