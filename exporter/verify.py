# SPDX-License-Identifier: Apache-2.0
"""Is every integer equal? PyTorch's eval(), the NumPy reference and the compiled C, tensor by tensor."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exporter import reference
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from exporter.graph import Graph
    from exporter.hostlib import HostLibrary

    Tensors = dict[str, npt.NDArray[np.int64]]
    TorchRun = Callable[[npt.NDArray[np.integer]], Tensors]

RETURNED, PUSHED, CLASS = (
    "(scores)",
    "(scores by rows)",
    "(class)",
)  # what a caller of the C sees; no module can be called so
CHUNK = 2000  # samples at a time, to bound memory


@dataclass(frozen=True)
class Mismatch:
    """The first integer that differs from the reference."""

    layer: str
    source: str  # "C" or "PyTorch"
    sample: int
    index: tuple[int, ...]  # within the tensor; the first one is the channel
    expected: int
    actual: int

    def __str__(self) -> str:
        index = ", ".join(map(str, self.index))
        return (
            f"{self.layer}: sample {self.sample}, channel {self.index[0]}, index [{index}]: "
            f"{self.source} gives {self.actual}, the reference {self.expected}"
        )


@dataclass(frozen=True)
class LayerReport:
    """One tensor of the network; `mismatches` counts integers of C and PyTorch that differ from the reference."""

    name: str
    op: str
    format: str
    shape: tuple[int, ...]
    weight_bytes: int
    mismatches: int


@dataclass(frozen=True)
class Report:
    """What was compared, and how it came out. `accuracy` is that of the C, in percent, None without labels."""

    name: str
    digest: str
    images: int
    random: int
    mismatches: int
    accuracy: float | None
    weight_bytes: int
    layers: tuple[LayerReport, ...]
    first: Mismatch | None

    def to_json(self) -> dict[str, Any]:
        """For `verify --json` and verified.json."""
        return asdict(self)


class VerificationError(HalfbyteError):
    """Integers differ; the message is the first one that does."""


def random_samples(graph: Graph, count: int, seed: int = 0) -> npt.NDArray[np.integer]:
    """Raw samples that no camera would send: all lowest, all highest, and random at several densities of zeros."""
    rng = np.random.default_rng(seed)
    info = np.iinfo(graph.dtype)
    shape = (count, *graph.shape)
    x = rng.integers(info.min, info.max, shape, graph.dtype, endpoint=True)
    extreme = np.where(rng.random(shape) < 0.5, info.min, info.max).astype(graph.dtype)
    x[1::3] = extreme[1::3]
    x[2::3] = np.where(rng.random(shape)[2::3] < 0.8, 0, x[2::3])
    x[:1], x[1:2] = info.min, info.max
    return x


def compare(
    graph: Graph,
    library: HostLibrary,
    torch_run: TorchRun | None,
    samples: npt.NDArray[np.integer],
    *,
    labels: npt.NDArray[np.integer] | None = None,
    random: int = 0,
) -> Report:
    """Compare every tensor for all samples, and for `random` more that are made up. Labels give the accuracy.

    torch_run  the module's tensors of raw samples; None where there is no module: then only C and NumPy are compared

    Compared besides: the scores that the C returns, and the class that hb_argmax makes of them.
    """
    samples = library.checked(samples)
    last = graph.nodes[-1].name
    counts = dict.fromkeys([*(node.name for node in graph.nodes), RETURNED, PUSHED, CLASS], 0)
    first: Mismatch | None = None
    correct = 0
    made_up = random_samples(graph, random)
    for start, chunk in _chunks(samples, made_up):
        expected = reference.run(graph, chunk)
        by_c = library.run(chunk, trace=True)
        pushed = by_c.scores if by_c.pushed is None else by_c.pushed
        actual: dict[str, dict[str, npt.NDArray[np.integer]]] = {
            "C": {**by_c.tensors, RETURNED: by_c.scores, PUSHED: pushed, CLASS: by_c.classes}
        }
        if torch_run is not None:
            by_torch = torch_run(chunk)
            scores = by_torch[last]
            actual["PyTorch"] = {**by_torch, RETURNED: scores, PUSHED: scores, CLASS: scores.argmax(axis=1)}
        scores = expected[last]
        expected |= {RETURNED: scores, PUSHED: scores, CLASS: scores.argmax(axis=1)[:, None]}
        found = _differences(expected, actual, counts, start)
        first = first or found
        if labels is not None and start < len(samples):
            correct += int((by_c.classes == labels[start : start + len(chunk)]).sum())
    accuracy = None if labels is None or not len(samples) else 100 * correct / len(samples)
    layers = tuple(
        LayerReport(
            name=node.name,
            op=node.op.kind,
            format=node.op.format_name(),
            shape=graph.shapes[node.name],
            weight_bytes=sum(table.nbytes for table in node.tables()),
            mismatches=counts[node.name],
        )
        for node in graph.nodes
    )
    layers += (LayerReport(RETURNED, "run", "-", graph.shapes[last], 0, counts[RETURNED]),)
    if library.plan.input_rows:
        layers += (LayerReport(PUSHED, "push_row", "-", graph.shapes[last], 0, counts[PUSHED]),)
    layers += (LayerReport(CLASS, "argmax", "-", (1,), 0, counts[CLASS]),)
    mismatches = sum(counts.values())
    return Report(
        graph.name, graph.digest, len(samples), random, mismatches, accuracy, graph.weight_bytes, layers, first
    )  # fmt: skip


def _chunks(*parts: npt.NDArray[np.integer]) -> Iterator[tuple[int, npt.NDArray[np.integer]]]:
    """(index of the first sample, samples), counting through all parts; no chunk spans two of them."""
    start = 0
    for part in parts:
        for begin in range(0, len(part), CHUNK):
            yield start + begin, part[begin : begin + CHUNK]
        start += len(part)


def _differences(
    expected: Tensors, actual: dict[str, dict[str, npt.NDArray[np.integer]]], counts: dict[str, int], start: int
) -> Mismatch | None:
    """Add the differing integers of a chunk to counts; the first of them, earliest layer first."""
    first = None
    for name, want in expected.items():
        for source, tensors in actual.items():
            differs = tensors[name].reshape(want.shape) != want
            counts[name] += int(np.count_nonzero(differs))
            if first is None and differs.any():
                at = tuple(int(i) for i in np.argwhere(differs)[0])
                got = int(tensors[name].reshape(want.shape)[at])
                first = Mismatch(name, source, start + at[0], at[1:], int(want[at]), got)
    return first
