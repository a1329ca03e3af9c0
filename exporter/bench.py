# SPDX-License-Identifier: Apache-2.0
"""Exactness, measured: every format with every requantizer on a whole test set, and many random networks."""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import torch

from exporter.export import export
from exporter.randomnet import random_network
from exporter.verify import random_samples
from training import data, models
from training.errors import HalfbyteError
from training.formats import FORMATS
from training.recipe import check_recipe
from training.requant import REQUANTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt
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


def random_networks(count: int, first_seed: int = 0, jobs: int = 2) -> Iterator[dict[str, Any]]:
    """Random networks, one record each: seed, layers, integers compared, mismatches; `jobs` processes."""
    seeds = range(first_seed, first_seed + count)
    with ProcessPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(_check_random, seeds, chunksize=8)


def _check_random(seed: int) -> dict[str, Any]:
    """One random network; one that is refused for overflow counts as such, not as a success."""
    try:
        exported = export(random_network(seed), "random_network")
    except HalfbyteError as error:
        return {"seed": seed, "refused": str(error), "layers": 0, "integers": 0, "mismatches": 0}
    samples: npt.NDArray[np.integer] = random_samples(exported.graph, SAMPLES, seed)
    report = exported.compare(samples)
    integers = sum(int(torch.tensor(layer.shape).prod()) for layer in report.layers) * SAMPLES
    first = str(report.first) if report.first else None
    layers = len(report.layers)
    return {
        "seed": seed,
        "refused": None,
        "layers": layers,
        "integers": integers,
        "mismatches": report.mismatches,
        "first": first,
    }
