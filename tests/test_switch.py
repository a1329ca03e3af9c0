# SPDX-License-Identifier: Apache-2.0
"""Formats that change during training: every epoch has its own, and the network that is kept has the recipe's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import network, one_line

from exporter import runs
from exporter.export import export
from training.errors import HalfbyteError
from training.loop import Epoch, train
from training.recipe import check_recipe
from training.switch import own_formats, set_formats

SWITCHES = [{"until": 1, "format": "float"}, {"until": 3, "format": "int8"}]
LAYERS = [{"linear": 16}, {"linear": 12, "format": "ternary"}]


def recipe(**sections):
    settings = {"epochs": 5, "batch": 64, "switch": SWITCHES, **sections.pop("train", {})}
    model = {"layers": LAYERS, **sections.pop("model", {})}
    return check_recipe({"name": "switch", "data": "digits", **sections, "model": model, "train": settings}, "test")


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_every_epoch_is_trained_in_its_format_and_the_last_ones_in_the_recipes(average, tmp_path):
    seen, models = [], []

    def progress(event):
        if isinstance(event, float) and event == 1.0:
            seen.append(list(own_formats(models[0]).values()))

    model = train(recipe(train={"average": average}), tmp_path / "run", check=models.append, progress=progress)
    assert seen == [["float"] * 3, ["int8"] * 3, ["int8"] * 3, ["sym4", "ternary", "sym4"], ["sym4", "ternary", "sym4"]]
    assert list(own_formats(model).values()) == ["sym4", "ternary", "sym4"]
    run = runs.load_run(tmp_path / "run")
    assert run.metadata["epoch"] > 3
    x = np.random.default_rng(0).integers(0, 17, (30, 8, 8)).astype(np.uint8)
    assert export(run.model, "switched", out=tmp_path / "c").verify(x).mismatches == 0


class Stop(Exception):  # noqa: N818 (it is none)
    """What happens in the middle of a run."""


@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "options",
    [
        {"model": {"requant": "mulshift", "norm": "batch", "clip": "learned", "bias": True}},
        {"train": {"average": 0.9, "freeze": 0.6}},
    ],
    ids=["mulshift", "average"],
)
def test_an_interrupted_run_goes_on_in_the_format_it_was_in(options, at, tmp_path):
    train(recipe(**options), tmp_path / "whole")

    def stop(event):
        if isinstance(event, Epoch) and event.epoch == at:
            raise Stop

    with pytest.raises(Stop):
        train(recipe(**options), tmp_path / "parts", progress=stop)
    assert (tmp_path / "parts" / "checkpoint.safetensors").exists() == (at > 3)  # a network in the recipe's formats
    train(recipe(**options), tmp_path / "parts", resume=True)
    whole, parts = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts


def test_a_step_down_leaves_the_weights_as_they_were():
    model = network(16, 12, 3, format="ternary")
    own, before = own_formats(model), model.fc1.weight.detach().clone()
    switches = recipe().train.switch
    for epoch, expected in enumerate(["float", "int8", "int8", "ternary"]):
        set_formats({model}, own, switches, epoch)
        assert own_formats(model)["fc1"] == expected
        assert torch.equal(model.fc1.weight, before)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        (
            {"train": {"switch": [{"until": 5, "format": "int8"}]}},
            r"^test: train: switch: .* below epochs; got \[5\] of 5",
        ),
        ({"train": {"switch": SWITCHES[::-1]}}, r"above the one before it"),
        ({"train": {"switch": [{"until": 2, "format": "int9"}]}}, "format"),
        (
            {"compress": {"gamma": 0.1}, "model": {"format": "int8"}},
            "^test: train.switch: .* leave it out, or compress",
        ),
        ({"prune": {"sparsity": 0.5}, "train": {"switch": [{"until": 2, "format": "sym5"}]}}, "sym5 has no level 0"),
    ],
)
def test_switches_that_cannot_be_are_refused_in_one_line(sections, words):
    with pytest.raises(HalfbyteError, match=words) as caught:
        recipe(**sections)
    assert one_line(str(caught.value))
