# SPDX-License-Identifier: Apache-2.0
"""Exactness, measured: every format with every requantizer on a whole test set, and many random networks."""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from exporter.export import Exported, export
from exporter.graph import KERNELS
from exporter.plan import STRATEGIES
from exporter.randommaps import random_map_network
from exporter.randomnet import make_sparse, random_network
from exporter.sanitized import keep, run_sanitized
from exporter.verify import random_samples
from training import data, models
from training.errors import HalfbyteError
from training.formats import FORMATS
from training.recipe import check_recipe
from training.requant import REQUANTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

SAMPLES = 24  # for each random network, extremes included
WARM_STEPS = 30  # of training, so that weights and statistics are not those of the initialization


def every_format(dataset: str = "mnist") -> Iterator[dict[str, Any]]:
    """A small trained network of each format and requantizer, compared on all test images of a data set."""
    train, test = data.load_train(dataset), data.load_test(dataset)
    for name, kind in itertools.product(FORMATS, REQUANTS):
        model = _briefly_trained(name, kind, train)
        report = export(model, "bench").compare(test.x, labels=test.y, random=256)
        yield {
            "format": name,
            "requant": kind,
            "images": report.images,
            "random": report.random,
            "layers": len(report.layers),
            "mismatches": report.mismatches,
            "accuracy": report.accuracy,
        }


def _briefly_trained(name: str, kind: str, train: data.Dataset) -> nn.Module:
    options = {"maxshift": {"norm": "rms"}, "shift": {}, "mulshift": {"norm": "batch", "scale": "channel"}}[kind]
    table = {
        "name": "bench",
        "data": "bench",
        "input": {"resize": [16, 16], "shift": 1} if train.x.shape[1:] == (28, 28) else {},
        "model": {"format": name, "requant": kind, **options, "layers": [{"linear": 48}, {"linear": 33}]},
    }
    torch.manual_seed(1)
    recipe = check_recipe(table, "bench")
    model = models.build(recipe, train.x.shape[1:], str(train.x.dtype), len(train.labels))
    x, y = torch.as_tensor(train.x), torch.as_tensor(train.y)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
    for index in torch.randperm(len(y))[: WARM_STEPS * 256].split(256):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[index]), y[index]).backward()
        optimizer.step()
    return model.eval()


def random_networks(
    count: int, first_seed: int = 0, jobs: int = 2, *, maps: bool = False, sanitize: bool = False
) -> Iterator[dict[str, Any]]:
    """Random networks, one record each: seed, layers, integers compared, mismatches; `jobs` processes.

    Each with portable kernels, and with those of a variant, in turn.

    maps      networks of convolutions, each by every strategy of the planner
    sanitize  the C once more, under AddressSanitizer and UndefinedBehaviorSanitizer
    """
    seeds = range(first_seed, first_seed + count)
    check = partial(_check_random, maps=maps, sanitize=sanitize)
    with ProcessPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(check, seeds, chunksize=8)


def _check_random(seed: int, *, maps: bool, sanitize: bool) -> dict[str, Any]:
    """One random network; one that is refused for overflow counts as such, not as a success."""
    row: dict[str, Any] = {"seed": seed, "refused": None, "first": None}
    row |= dict.fromkeys(("plans", "layers", "integers", "mismatches"), 0)
    model = random_map_network(seed) if maps else random_network(seed)
    model = make_sparse(model, seed) if seed % 3 == 0 else model
    with TemporaryDirectory(prefix="halfbyte-") as scratch:
        try:
            variant = list(KERNELS)[seed % len(KERNELS)]
            found = _every_way(model, Path(scratch), STRATEGIES if maps else ("auto",), ((), (variant,)))
            for exported in found:
                _count(row, exported)
        except HalfbyteError as error:
            return row | {"refused": str(error)}
        if sanitize:
            run = run_sanitized(*(exported.folder for exported in found))
            row["first"] = row["first"] or (run.stderr.strip()[-2000:] if run.returncode else None)
            row["mismatches"] += run.returncode != 0
    return row


def _every_way(
    model: nn.Module, scratch: Path, strategies: tuple[str, ...], variants: tuple[tuple[str, ...], ...]
) -> list[Exported]:
    """The network by each strategy of the planner and with each variant, as far as they make different C."""
    by_code: dict[str, Exported] = {}
    for strategy, kernels in itertools.product(strategies, variants):
        out = scratch / "-".join((strategy, *kernels))
        exported = export(model, "random_network", out=out, plan=strategy, variants=kernels)
        by_code.setdefault((exported.folder / "c" / "random_network.c").read_text(encoding="utf-8"), exported)
    return list(by_code.values())


def _count(row: dict[str, Any], exported: Exported) -> None:
    """Compare one export, and add what was compared to a record."""
    samples = random_samples(exported.graph, SAMPLES, row["seed"])
    keep(exported.folder, exported.graph, samples)
    report = exported.compare(samples)
    row["plans"] += 1
    row["layers"] += len(report.layers)
    row["integers"] += sum(prod(layer.shape) for layer in report.layers) * SAMPLES
    row["mismatches"] += report.mismatches
    row["first"] = row["first"] or (str(report.first) if report.first else None)
    for group in exported.plan.groups:
        row[f"by {group.way}"] = row.get(f"by {group.way}", 0) + 1
    row["pushed"] = row.get("pushed", 0) + (exported.plan.input_rows > 0)
