# SPDX-License-Identifier: Apache-2.0
"""Which way of pruning leaves the most accuracy for the bytes and instructions that are left?"""

from __future__ import annotations

from exporter.studies.base import Step, of_steps, setting_words

BASE = "mnist-fc-int4"
DENSE = 64  # neurons of each hidden layer
NARROWER = (48, 32, 24)
SPARSITIES = (0.5, 0.75, 0.9)
CHANNELS = (0.4, 0.65)
FINETUNE = 3  # a pruned network learns for a third as long as the dense one did


def steps(epochs: int) -> list[Step]:
    """A dense network and narrower ones; single weights gradually and afterwards; whole neurons by several scores."""
    found = [_run("dense", "dense, narrower", DENSE, epochs)]
    found += [_run(f"narrow-{width}", "dense, narrower", width, epochs) for width in NARROWER]
    for scope in ("global", "layer"):
        for sparsity in SPARSITIES:
            more = (f"prune.sparsity={sparsity}", f"prune.scope={scope}")
            found.append(_run(f"gradual-{scope}-{sparsity}", f"weights, gradually, {scope}", DENSE, epochs, *more))
    for sparsity in SPARSITIES:
        found.append(_prune(f"afterwards-{sparsity}", "weights, afterwards", sparsity, epochs))
        found.append(_prune(f"obs-{sparsity}", "weights, one shot with OBS", sparsity, epochs, "--one-shot"))
    found.append(_prune("2-4", "weights, 2 of 4", None, epochs, "--nm", "2:4"))
    for score in ("magnitude", "fisher"):
        for sparsity in CHANNELS:
            series = f"neurons, {score}"
            found.append(_prune(f"{score}-{sparsity}", series, sparsity, epochs, "--structured", "--score", score))
    return found


def _run(name: str, series: str, width: int, epochs: int, *settings: str) -> Step:
    layers = ",".join([f"{{linear={width}}}"] * 3)
    words = setting_words((f"model.layers=[{layers}]", f"train.epochs={epochs}", "export.optimize=size", *settings))
    return Step(name, series, ("run", BASE, *words))


def _prune(name: str, series: str, sparsity: float | None, epochs: int, *options: str) -> Step:
    target = () if sparsity is None else ("--target-sparsity", str(sparsity))
    finetune = ("--finetune", str(max(1, epochs // FINETUNE)))
    return Step(name, series, ("prune", "@dense", *target, *finetune, *options))


STUDY = of_steps(
    "pruning",
    "Which way of pruning leaves the most accuracy for the bytes and instructions that are left?",
    steps,
    epochs=12,
    seeds=(1, 2),
)
