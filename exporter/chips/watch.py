# SPDX-License-Identifier: Apache-2.0
"""The emulator's hooks, in C since they run at every block and every access: templates/watch.c and its structures."""

from __future__ import annotations

import ctypes
import functools
import subprocess
import tempfile
from pathlib import Path

from exporter.hostlib import find_compiler
from training.errors import HalfbyteError

IS_CODE, IS_RUN, IS_INPUT, IS_LAYER, IS_POLL = 1, 2, 4, 8, 16
FAULTS = {
    1: "executed what is not an instruction of the image",
    2: "made an unaligned access",
    3: "accessed what is neither memory nor a register of the port",
    4: "wrote to flash",
    5: "lets its stack reach its data",
}
WATCH = Path(__file__).parent / "templates" / "watch.c"


class Range(ctypes.Structure):
    """struct range."""

    _fields_ = (("begin", ctypes.c_uint64), ("end", ctypes.c_uint64), ("writable", ctypes.c_uint64))


class Region(ctypes.Structure):
    """struct region."""

    _fields_ = (
        ("mark", ctypes.c_uint64),
        ("calls", ctypes.c_uint64),
        ("count", ctypes.c_uint64),
        ("layers", ctypes.c_void_p),
        ("n_layers", ctypes.c_uint64),
        ("most", ctypes.c_uint64),
        ("fewest", ctypes.c_uint64),
        ("difference", ctypes.c_void_p),
        ("left", ctypes.c_void_p),
        ("landed", ctypes.c_void_p),
        ("rom_loads", ctypes.c_uint64),
        ("layer", ctypes.c_uint64),
    )


class Code(ctypes.Structure):
    """struct code."""

    _fields_ = (("begin", ctypes.c_uint64), ("end", ctypes.c_uint64), ("slot", ctypes.c_uint64))


class Watch(ctypes.Structure):
    """struct watch."""

    _fields_ = (
        ("codes", Code * 2),
        ("nowhere", ctypes.c_uint64),
        ("marks", ctypes.c_void_p),
        ("before", ctypes.c_void_p),
        ("ranges", ctypes.c_void_p),
        ("n_ranges", ctypes.c_uint64),
        ("stack_begin", ctypes.c_uint64),
        ("stack_end", ctypes.c_uint64),
        ("reg_sp", ctypes.c_int32),
        ("reg_return", ctypes.c_int32),
        ("reg_read", ctypes.c_void_p),
        ("reg_write", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
        ("regions", Region * 2),
        ("total", ctypes.c_uint64),
        ("stack_low", ctypes.c_uint64),
        ("fault", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("active", ctypes.c_int64),
        ("back", ctypes.c_uint64),
        ("back_sp", ctypes.c_uint64),
        ("expected", ctypes.c_uint64),
        ("reg_flags", ctypes.c_int64),
        ("wait", ctypes.c_uint64),
        ("data_begin", ctypes.c_uint64),
        ("outer", ctypes.c_int64),
        ("outer_back", ctypes.c_uint64),
        ("outer_sp", ctypes.c_uint64),
    )


@functools.cache
def compiled_hooks() -> ctypes.CDLL:
    """The hooks, compiled for this machine."""
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
        library = Path(scratch) / "watch.so"
        command = [*find_compiler(), "-O2", "-fPIC", "-shared", "-o", str(library), str(WATCH)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own arguments)
        if result.returncode:
            raise HalfbyteError(f"{command[0]} cannot compile the emulator's hooks: {result.stderr.splitlines()[:1]}")
        return ctypes.CDLL(str(library))
