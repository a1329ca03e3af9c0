# SPDX-License-Identifier: Apache-2.0
"""No kernel divides, whatever a compiler makes of its loops: cores without a divider would have to call a library."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

FIRMWARE = Path(__file__).parent.parent / "firmware"
CORES = {
    "armv6m": ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"),
    "rv32ec": ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+e+c-m-a-f-d"),
}
CALLED = {"", "__mulsi3", "__aeabi_unwind_cpp_pr0"}  # a multiplication where there is no multiplier; nothing


def undefined(path: Path) -> set[str]:
    with path.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab").iter_symbols()
        return {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF"}


@pytest.mark.parametrize("level", ["-Os", "-O2"])
@pytest.mark.parametrize("core", CORES)
def test_no_kernel_calls_a_division(core, level, tmp_path):
    sources = sorted((FIRMWARE / "src").glob("*.c"))
    assert len(sources) >= 18
    zig = [sys.executable, "-m", "ziglang", "cc", *CORES[core], level, "-std=c99", f"-I{FIRMWARE / 'include'}", "-c"]

    def called(source: Path) -> set[str]:
        target = tmp_path / f"{source.stem}.o"
        subprocess.run([*zig, str(source), "-o", str(target)], check=True)
        return undefined(target) - CALLED

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip([source.stem for source in sources], pool.map(called, sources), strict=True))
    assert {name for name, symbols in found.items() if symbols} == set()
