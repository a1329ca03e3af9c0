# SPDX-License-Identifier: Apache-2.0
"""Exported folders under AddressSanitizer and UndefinedBehaviorSanitizer: python -m exporter.sanitized FOLDER ...

A process of its own: the sanitizers have to be there before Python is, and torch does not get on with them. Each folder
holds what `export` wrote, samples.npy and kernels.json; every tensor of the C is compared with the reference.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exporter import reference
from exporter.graph import read_graph
from exporter.hostlib import HostLibrary
from exporter.plan import read_plan
from training.errors import HalfbyteError
from training.files import write_text

if TYPE_CHECKING:
    import numpy.typing as npt

    from exporter.graph import Graph

FLAGS = ("-O0", "-g", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SAMPLES = "samples.npy"
KERNELS = "kernels.json"  # operation -> variant


def keep(folder: Path, graph: Graph, samples: npt.NDArray[np.integer]) -> None:
    """Leave in an exported folder what `run_sanitized` needs beside the C: raw samples, and the variants of kernels."""
    np.save(folder / SAMPLES, samples)
    write_text(folder / KERNELS, json.dumps(graph.kernels))


def run_sanitized(*folders: Path) -> subprocess.CompletedProcess[str]:
    """Compile and run exported folders under the sanitizers; return code 0 where they find nothing."""
    environment = {**os.environ, "LD_PRELOAD": _library(), "ASAN_OPTIONS": "detect_leaks=0", "CC": "gcc"}
    environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
    command = [sys.executable, "-m", "exporter.sanitized", *map(str, folders)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


def _library() -> str:
    """The AddressSanitizer of gcc; HalfbyteError where there is none."""
    gcc = shutil.which("gcc")
    if gcc is None:
        raise HalfbyteError("the sanitizers need gcc: install it")
    command = [gcc, "-print-file-name=libasan.so"]
    library = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    if not Path(library).is_absolute():
        raise HalfbyteError("gcc has no libasan.so: install libasan to run the sanitizers")
    return library


def check(folder: Path) -> None:
    """Compare every tensor of a folder's samples; AssertionError names the first that differs."""
    variants = json.loads((folder / KERNELS).read_text(encoding="utf-8"))
    graph, samples = read_graph(folder / "graph.json").with_kernels(variants), np.load(folder / SAMPLES)
    plan = read_plan(folder / "plan.json", graph)
    made = HostLibrary(graph, plan, folder / "c", FLAGS).run(samples, trace=True)
    expected = reference.run(graph, samples)
    for name, tensor in expected.items():
        assert np.array_equal(made.tensors[name], tensor), name
    if made.pushed is not None:
        assert np.array_equal(made.pushed, expected[graph.nodes[-1].name]), "pushed"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        check(Path(argument))
    print("clean", len(sys.argv) - 1)  # noqa: T201
