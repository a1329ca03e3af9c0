# SPDX-License-Identifier: Apache-2.0
"""The generated C on this machine: compiled from the very files that go to the chip, loaded with cffi."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cffi
import numpy as np

from exporter.codegen import generate_host
from exporter.plan import in_graph_order, made_order
from training.errors import HalfbyteError

if TYPE_CHECKING:
    import numpy.typing as npt

    from exporter.graph import Graph
    from exporter.plan import Plan

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wmissing-prototypes")
NUMPY_TYPES = {"uint8_t": np.uint8, "int8_t": np.int8, "int32_t": np.int32}


def find_compiler() -> list[str]:
    """$CC, or the machine's own compiler, or the one that pip installed (ziglang); HalfbyteError without any."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise HalfbyteError("no C compiler found: install gcc or clang, set CC, or: pip install 'halfbyte[firmware]'")


def trace_dtype(graph: Graph, plan: Plan) -> np.dtype[Any]:
    """A record of every tensor of one sample, each in the order in which it is made; int32 tensors are aligned."""
    names, formats, offsets, offset = [], [], [], 0
    for node in graph.nodes:
        element = np.dtype(NUMPY_TYPES[node.op.out_type])
        offset = -(-offset // element.itemsize) * element.itemsize
        names.append(node.name)
        formats.append((element, tuple(graph.shapes[node.name][axis] for axis in made_order(graph, plan, node))))
        offsets.append(offset)
        offset += element.itemsize * int(np.prod(graph.shapes[node.name]))
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": -(-offset // 4) * 4})


@dataclass(frozen=True, eq=False)
class HostRun:
    """What the C made of n samples: scores (n, n_scores), classes (n,), and with `trace` every tensor by its name.

    pushed  the scores again, of an input that came row by row; None where the network cannot take it so
    """

    scores: npt.NDArray[np.int32]
    classes: npt.NDArray[np.int32]
    tensors: dict[str, npt.NDArray[np.integer]]
    pushed: npt.NDArray[np.int32] | None


class HostLibrary:
    """The compiled network. `folder` holds the files that `generate` made; they are compiled as they lie there."""

    def __init__(self, graph: Graph, plan: Plan, folder: Path, flags: tuple[str, ...] = ("-O2",)) -> None:
        self.graph, self.plan = graph, plan
        self.trace = trace_dtype(graph, plan)
        with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
            library = _compile(generate_host(graph, plan, self.trace), folder, Path(scratch), flags)
            self._ffi = cffi.FFI()
            self._ffi.cdef("void hb_host_batch(int32_t *, int32_t *, uint8_t *, const void *, size_t);")
            self._ffi.cdef("int hb_host_pushes(int32_t *, const void *, size_t);")
            try:
                self._library = self._ffi.dlopen(str(library))
            except OSError:
                raise HalfbyteError(f"the C in {folder} lacks a kernel or cannot be loaded; export it again") from None

    def run(self, raw: npt.NDArray[np.integer], *, trace: bool = False) -> HostRun:
        """Run raw samples (n, *shape); with `trace`, record every tensor."""
        raw = self.checked(raw)
        scores = np.empty((len(raw), *self.graph.shapes[self.graph.nodes[-1].name]), np.int32)
        classes = np.empty(len(raw), np.int32)
        record = np.zeros(len(raw), self.trace) if trace else None
        pointer = self._ffi.NULL if record is None else self._ffi.cast("uint8_t *", record.ctypes.data)
        self._library.hb_host_batch(
            self._ffi.cast("int32_t *", scores.ctypes.data),
            self._ffi.cast("int32_t *", classes.ctypes.data),
            pointer,
            self._ffi.cast("void *", raw.ctypes.data),
            len(raw),
        )
        return HostRun(scores, classes, self._tensors(record), self._pushed(raw) if trace else None)

    def _tensors(self, record: npt.NDArray[Any] | None) -> dict[str, npt.NDArray[np.integer]]:
        if record is None:
            return {}
        return {node.name: in_graph_order(self.graph, self.plan, node, record[node.name]) for node in self.graph.nodes}

    def _pushed(self, raw: npt.NDArray[np.integer]) -> npt.NDArray[np.int32] | None:
        scores = np.empty((len(raw), *self.graph.shapes[self.graph.nodes[-1].name]), np.int32)
        pointers = self._ffi.cast("int32_t *", scores.ctypes.data), self._ffi.cast("void *", raw.ctypes.data)
        return scores if self._library.hb_host_pushes(*pointers, len(raw)) else None

    def checked(self, raw: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """The samples as the C takes them; HalfbyteError where shape or type do not fit."""
        raw = np.asarray(raw)
        dtype = np.dtype(self.graph.dtype)
        if raw.shape[1:] != self.graph.shape:
            raise HalfbyteError(f"{self.graph.name} takes samples of shape {self.graph.shape}, got {raw.shape[1:]}")
        if not np.can_cast(raw.dtype, dtype):
            raise HalfbyteError(f"{self.graph.name} takes {dtype} samples, got {raw.dtype}")
        return np.ascontiguousarray(raw, dtype)


def _compile(host: str, folder: Path, scratch: Path, flags: tuple[str, ...]) -> Path:
    wrapper = scratch / "hb_host.c"  # no model may be called so
    wrapper.write_text(host, encoding="utf-8")
    sources = [str(p) for p in sorted(folder.glob("hb_*.c"))]
    library = scratch / "hb_host.so"
    command = [
        *find_compiler(),
        *STRICT,
        *flags,
        "-fPIC",
        "-shared",
        f"-I{folder}",
        "-o",
        str(library),
        str(wrapper),
        *sources,
    ]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own arguments)
    except OSError as error:
        raise HalfbyteError(
            f"cannot run the C compiler '{command[0]}': {error.strerror}; set CC or install gcc"
        ) from None
    if result.returncode:
        said = result.stderr.strip()[:200] or f"'{command[0]}' exits with {result.returncode} and says nothing"
        first = next((line for line in result.stderr.splitlines() if "error" in line), said)
        raise HalfbyteError(f"the C in {folder} does not compile: {first}")
    return library
