# SPDX-License-Identifier: Apache-2.0
"""Run folders: from a checkpoint to exported files, and from those to a verdict (SPEC 8)."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter.bounds import find_bounds
from exporter.codegen import Provenance, check_name, generate
from exporter.export import Exported, export, prepare
from exporter.graph import has_recipe, load_graph, read_graph
from exporter.hostlib import HostLibrary
from exporter.plan import make_plan, read_plan
from exporter.variants import PORTABLE, check_variant
from exporter.verify import compare, random_samples
from training import checkpoint, data, models
from training.errors import HalfbyteError
from training.files import write_text
from training.recipe import Recipe, check_recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from exporter.verify import Report

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True, eq=False)
class Run:
    """A trained network with what its checkpoint says about it."""

    folder: Path
    model: nn.Module
    recipe: Recipe
    metadata: dict[str, Any]

    @property
    def name(self) -> str:
        """C name of the network."""
        return check_name(self.recipe.name)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.metadata["labels"])

    @property
    def command(self) -> str:
        """What trains, exports and verifies it again."""
        return str(self.metadata["command"])


def is_bare(folder: Path) -> bool:
    """Was it exported without a run? Then it has neither recipe nor checkpoint."""
    return (folder / "graph.json").is_file() and not has_recipe(folder) and not (folder / CHECKPOINT).is_file()


def load_run(folder: str | Path) -> Run:
    """The best network of a run folder, in eval(); HalfbyteError where there is none or it is damaged."""
    folder = Path(folder)
    path = folder / CHECKPOINT
    if not folder.is_dir():
        raise HalfbyteError(f"{folder} is not a folder; make a run with: halfbyte run RECIPE --out {folder}")
    if is_bare(folder):
        raise HalfbyteError(
            f"{folder} was exported from Python, without a checkpoint; do it there: halfbyte.export(model)"
        )
    tensors, metadata = checkpoint.load(path)
    try:
        recipe = check_recipe(metadata["recipe"], str(path))
        model = models.build(recipe, tuple(metadata["shape"]), metadata["dtype"], len(metadata["labels"]))
    except (KeyError, TypeError) as error:
        raise HalfbyteError(f"{path}: its metadata lacks {error}; train again") from None
    checkpoint.restore(model, tensors, path)
    return Run(folder, model.eval(), recipe, metadata)


def export_run(
    folder: str | Path, plan: str = "auto", optimize: str | None = None, codec: str | None = None
) -> Exported:
    """Export a run into its own folder, with a plan of that kind, and its weights stored for speed, size or balance.

    None: as its recipe says, for speed if it says nothing.
    """
    run = load_run(folder)
    graph, *_ = prepare(run.model, run.name)
    provenance = _provenance(run, graph.digest)
    if optimize is None:
        optimize = run.recipe.export.optimize if run.recipe.export else "speed"
    how = {"plan": plan, "optimize": optimize, "codec": codec}
    return export(run.model, run.name, out=run.folder, labels=run.labels, provenance=provenance, **how)  # type: ignore[arg-type]


def load(folder: str | Path) -> Exported:
    """A run or a shipped model as it was exported: its C is compiled as it lies in the folder.

    HalfbyteError where it was not exported, or from another checkpoint.
    """
    return _load(load_run(folder))


def _load(run: Run) -> Exported:
    written = read_graph(run.folder / "graph.json")
    graph, taps, bounds, _ = prepare(run.model, run.name, run.labels)
    graph = graph.with_kernels(written.kernels)
    again = f"export it again with: halfbyte export {run.folder}"
    if written.digest != graph.digest:
        raise HalfbyteError(f"{run.folder}/graph.json is not of this checkpoint; {again}")
    source = run.folder / "c" / f"{run.name}.c"
    if not source.is_file():
        raise HalfbyteError(f"{source} does not exist; {again}")
    return Exported(run.model, graph, taps, bounds, read_plan(run.folder / "plan.json", graph), run.folder)


def verify_run(
    folder: str | Path,
    images: int | None = None,
    random: int = 256,
    progress: Callable[[str], None] = lambda _: None,
    variant: str = PORTABLE,
) -> Report:
    """Compare C, NumPy and PyTorch on test images (None: all) and on `random` made-up samples.

    A comparison of all test images without a mismatch is recorded: in verified.json, and in the head of the C. With
    another variant than the portable one, it is the C with that variant's kernels which is compared, not recorded.
    What was exported without a run has no test images and no module: C and NumPy are compared, on random samples.
    """
    if is_bare(Path(folder)):
        return _verify_bare(Path(folder), images, random, progress, variant)
    run = load_run(folder)
    progress("loading the exported network")
    exported = _load(run)
    if variant != PORTABLE:
        exported = export(run.model, run.name, plan=exported.plan.strategy, variants=(check_variant(variant),))
    progress("loading the test set")
    test = data.load_test(run.recipe.data)
    count = len(test.y) if images is None else images
    if not 1 <= count <= len(test.y):
        raise HalfbyteError(f"--images {count}: the test set of {run.recipe.data} has {len(test.y)} images")
    progress("compiling the C")
    _ = exported.library  # compiled at first use
    progress(f"comparing {count} images, layer by layer")
    report = exported.compare(test.x[:count], labels=test.y[:count], random=random)
    if variant == PORTABLE and report.mismatches == 0 and count == len(test.y):
        _record(run, exported, report)
    return report


def _verify_bare(
    folder: Path, images: int | None, random: int, progress: Callable[[str], None], variant: str
) -> Report:
    if images is not None or random == 0:
        raise HalfbyteError(f"{folder} has no recipe, so no test images: leave out --images, give --random 1 or more")
    graph = load_graph(folder)
    plan = read_plan(folder / "plan.json", graph)
    progress("compiling the C")
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
        c = folder / "c"
        if variant != PORTABLE:
            graph, c = graph.tuned((check_variant(variant),)), Path(scratch)
            plan = make_plan(graph, plan.strategy)
            for file, text in generate(graph, find_bounds(graph), plan, Provenance()).items():
                write_text(c / file, text)
        library = HostLibrary(graph, plan, c)
    progress(f"comparing {random} random samples, layer by layer")
    return compare(graph, library, None, random_samples(graph, 0), random=random)


def _record(run: Run, exported: Exported, report: Report) -> None:
    """Put the result into the head of the C, if that is as it was generated; write verified.json."""
    before = _sources(exported, _provenance(run, exported.graph.digest))
    after = _sources(exported, Provenance(run.command, report.accuracy, report.images, report.images))
    for file, text in after.items():
        path = run.folder / "c" / file
        if text != before[file] and path.read_text(encoding="utf-8") == before[file]:
            write_text(path, text)
    record = {**report.to_json(), "c_sha256": _c_sha256(run.folder)}
    write_text(run.folder / "verified.json", json.dumps(record, indent=1) + "\n")


def _c_sha256(folder: Path) -> str:
    """Of the names and contents of all files of c/: what was compared is what lies there."""
    digest = hashlib.sha256()
    for path in sorted((folder / "c").glob("*")):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(exported: Exported, provenance: Provenance) -> dict[str, str]:
    return generate(exported.graph, exported.bounds, exported.plan, provenance)


def read_verified(folder: Path, digest: str) -> dict[str, Any] | None:
    """The record of a full comparison of this very network and of the C as it lies there, if there is one."""
    try:
        record: dict[str, Any] = json.loads((folder / "verified.json").read_text(encoding="utf-8"))
        same = record["digest"] == digest and record["c_sha256"] == _c_sha256(folder)
        numbers = [record[key] for key in ("images", "random", "mismatches", "accuracy")]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if same and all(isinstance(number, int | float) for number in numbers) else None


def _provenance(run: Run, digest: str) -> Provenance:
    verified = read_verified(run.folder, digest)
    if verified is None:
        return Provenance(run.command)
    return Provenance(run.command, verified["accuracy"], verified["images"], verified["images"])
