# SPDX-License-Identifier: Apache-2.0
"""From a trained module to a verified C library: lower, bound, plan, generate, compile, compare."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exporter import bounds as bounds_module
from exporter import lower
from exporter.bounds import Bounds, find_bounds
from exporter.codegen import Provenance, check_name, generate, kernel_files
from exporter.coding import coded
from exporter.hostlib import HostLibrary
from exporter.plan import Plan, make_plan
from exporter.verify import Report, VerificationError, compare
from training.files import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import nn

    from exporter.graph import Graph


@dataclass(frozen=True, eq=False, repr=False)
class Exported:
    """A network as C, in `folder`, with the module it was made from. Made by `export`."""

    model: nn.Module
    graph: Graph
    taps: dict[str, lower.Tap]
    bounds: Bounds
    plan: Plan
    folder: Path

    def __repr__(self) -> str:
        size = f"{len(self.graph.nodes)} operations, {self.graph.weight_bytes} bytes"
        return f"Exported({self.graph.name!r}, {size}, {str(self.folder)!r})"

    @cached_property
    def library(self) -> HostLibrary:
        """The C, compiled for this machine at first use."""
        return HostLibrary(self.graph, self.plan, self.folder / "c")

    def scores(self, x: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """Scores of raw samples by the compiled C.  # (n, *shape) -> (n, n_scores)"""
        return self.library.run(_as_array(x)).scores

    def predict(self, x: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """Class of every raw sample by the compiled C: the largest score, the lowest index on a tie.  # (n,)"""
        return self.library.run(_as_array(x)).classes

    def compare(
        self, x: npt.NDArray[np.integer], *, labels: npt.NDArray[np.integer] | None = None, random: int = 0
    ) -> Report:
        """Compare C, NumPy and PyTorch, tensor by tensor, on raw samples and on `random` made-up ones."""
        taps = self.taps
        return compare(
            self.graph,
            self.library,
            lambda chunk: lower.tapped_run(self.model, taps, chunk, self.graph.shapes),
            _as_array(x),
            labels=labels,
            random=random,
        )

    def verify(self, x: npt.NDArray[np.integer], *, random: int = 64) -> Report:
        """As `compare`; raises VerificationError naming the first differing layer, index and values."""
        report = self.compare(x, random=random)
        if report.first is not None:
            raise VerificationError(str(report.first))
        return report


def _as_array(x: npt.ArrayLike) -> npt.NDArray[np.integer]:
    return np.asarray(x)


def prepare(
    model: nn.Module,
    name: str = "model",
    labels: tuple[str, ...] = (),
    plan: str = "auto",
    variants: Sequence[str] = (),
    optimize: str = "speed",
    codec: str | None = None,
) -> tuple[Graph, dict[str, lower.Tap], Bounds, Plan]:
    """The integer graph of a model, where PyTorch computes its tensors, its bounds and its memory plan.

    HalfbyteError where a layer cannot be exported or could overflow. The model is left in the mode it was in.
    """
    was_training = model.training
    graph, taps = lower.lower(model, check_name(name), labels)
    graph = coded(graph.tuned(variants), optimize, codec)
    bounds = find_bounds(graph)
    model.train(was_training)
    return graph, taps, bounds, make_plan(graph, plan)


def export(
    model: nn.Module,
    name: str = "model",
    *,
    out: str | Path | None = None,
    labels: tuple[str, ...] = (),
    plan: str = "auto",
    variants: Sequence[str] = (),
    optimize: str = "speed",
    codec: str | None = None,
    provenance: Provenance | None = None,
) -> Exported:
    """Export a model of supported layers: graph.json, bounds.json, plan.json and c/ in `out`.

    model   any nn.Module that torch.fx can trace to a chain hb.Input ... hb.BitLinear(requant=None); set to eval()
    name    C identifier, part of every generated name
    out     folder, made if missing; a temporary one that lives as long as the result by default
    labels  names of the classes, for comments
    plan    how the stages of maps run: "auto" takes the least memory, or one of "layer", "rows" and "channels"
    variants  of kernels (`exporter.variants.VARIANTS`): each operation gets the first that has one for it
    optimize  how weights are stored: "speed" as the codes of their format, "size" by the codecs that take the fewest
              bytes, "balance" with the smallest product of bytes and instructions
    codec     the one (`exporter.codecs.CODECS`) that all weights get instead, or "plain"

    HalfbyteError where a layer cannot be exported or could overflow; nothing is written then.
    """
    graph, taps, bounds, made = prepare(model.eval(), name, labels, plan, variants, optimize, codec)
    lower.check_trained(model)
    sources = generate(graph, bounds, made, provenance or Provenance())
    folder = Path(tempfile.mkdtemp(prefix="halfbyte-") if out is None else out)
    write_text(folder / "graph.json", graph.to_json())
    write_text(folder / "bounds.json", bounds_module.to_json(graph, bounds))
    write_text(folder / "plan.json", made.to_json(graph))
    for file, text in sources.items():
        write_text(folder / "c" / file, text)
    for stale in kernel_files() - sources.keys():  # of an earlier export
        (folder / "c" / stale).unlink(missing_ok=True)
    exported = Exported(model, graph, taps, bounds, made, folder)
    if out is None:
        weakref.finalize(exported, shutil.rmtree, folder, ignore_errors=True)
    return exported
