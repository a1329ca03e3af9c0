# SPDX-License-Identifier: Apache-2.0
"""Training: repeats bit for bit, resumes bit for bit, stops where the loss does, and never opens the test set."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from exporter.export import export
from training import checkpoint, data, loop
from training.average import WARM
from training.errors import HalfbyteError
from training.loop import Epoch, train
from training.parallel import Workers
from training.recipe import Recipe, check_recipe

if TYPE_CHECKING:
    from pathlib import Path

EPOCHS = 4


@pytest.fixture
def recipe(tmp_path) -> Any:
    """A function that makes a recipe for 240 made-up samples of 3 classes."""
    rng = np.random.default_rng(0)
    y = np.arange(240) % 3
    x = np.clip(rng.normal(60, 40, (240, 4, 4)) + 60 * (np.arange(4) == y[:, None, None]), 0, 255).astype(np.uint8)
    path = tmp_path / "made-up.npz"
    np.savez(path, x=x, y=y, x_test=x[:30], y_test=y[:30])

    def make(**sections: Any) -> Recipe:
        model = {"layers": [{"linear": 9}, {"linear": 7}], **sections.pop("model", {})}
        settings = {"epochs": EPOCHS, "batch": 32, "freeze": 0.5, **sections.pop("train", {})}
        table = {"name": "made_up", "data": str(path), "input": {"shift": 1}, "model": model, "train": settings}
        return check_recipe({**table, **sections}, "test")

    return make


def curves(folder: Path) -> list[dict[str, str]]:
    with (folder / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        del row["seconds"]
    return rows


def same_run(a: Path, b: Path) -> None:
    assert (a / "checkpoint.safetensors").read_bytes() == (b / "checkpoint.safetensors").read_bytes()
    assert (a / "recipe.toml").read_bytes() == (b / "recipe.toml").read_bytes()
    assert curves(a) == curves(b)


KINDS = [
    {"model": {"requant": "maxshift", "norm": "rms"}},
    {"model": {"requant": "shift", "format": "ternary"}, "train": {"optimizer": "adamw", "schedule": "restarts"}},
    {"model": {"requant": "mulshift", "norm": "batch", "clip": "learned"}, "augment": {"rotate": 10, "erase": 0.2}},
]
kinds = pytest.mark.parametrize("options", KINDS, ids=["maxshift", "shift", "mulshift"])
CNN = {
    "model": {"layers": [{"conv": 5, "padding": 1}, {"conv": 5, "depthwise": True}, {"linear": 6}]},
    "augment": {"rotate": 10, "elastic": 0.3},
    "train": {"average": 0.8},
}
kinds_and_cnn = pytest.mark.parametrize("options", [*KINDS, CNN], ids=["maxshift", "shift", "mulshift", "cnn"])


@kinds_and_cnn
def test_a_run_repeats_bit_for_bit_and_with_another_seed_does_not(recipe, options, tmp_path):
    first = train(recipe(**options), tmp_path / "a")
    torch.manual_seed(99)  # what went before does not matter
    torch.rand(7)
    second = train(recipe(**options), tmp_path / "b")
    same_run(tmp_path / "a", tmp_path / "b")
    assert all(torch.equal(v, second.state_dict()[k]) for k, v in first.state_dict().items())
    other = {**options, "train": {**options.get("train", {}), "seed": 2}}
    third = train(recipe(**other), tmp_path / "c")
    assert not torch.equal(third.get_submodule("fc1").weight, first.get_submodule("fc1").weight)


def test_what_is_kept_is_the_average_of_the_weights(recipe, tmp_path):
    """After one step of decay 0.9 the average has moved a tenth as far, or more while it forgets where it began."""
    step = {"batch": 240, "warmup": 0}
    before = train(recipe(train={"epochs": 1, "lr": 1e-9, **step}), tmp_path / "start").state_dict()
    plain = train(recipe(train={"epochs": 1, **step}), tmp_path / "plain").state_dict()
    kept = train(recipe(train={"epochs": 1, "average": 0.99, **step}), tmp_path / "kept").state_dict()
    moved, followed = (plain["fc1.weight"] - before["fc1.weight"]), (kept["fc1.weight"] - before["fc1.weight"])
    assert moved.abs().max() > 1e-4
    weight = 1 - 1 / (1 + WARM)
    assert torch.allclose(followed, weight * moved, atol=1e-6)


class Stop(Exception):  # noqa: N818 (it is none)
    """What happens in the middle of a run."""


@kinds_and_cnn
@pytest.mark.parametrize("at", [1.5, 2.0, 2.5, 3.0, 3.5])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(recipe, options, at, tmp_path):
    """Before and after the clip scales are frozen, in the middle of an epoch and at its end."""
    train(recipe(**options), tmp_path / "whole")
    finished = 0

    def stop(event: Epoch | float) -> None:
        nonlocal finished
        finished += isinstance(event, Epoch)
        if finished + (0 if isinstance(event, Epoch) else event) >= at:
            raise Stop

    with pytest.raises(Stop):
        train(recipe(**options), tmp_path / "parts", progress=stop)
    assert (tmp_path / "parts" / "resume.safetensors").is_file()
    assert len(curves(tmp_path / "parts")) == finished
    train(recipe(**options), tmp_path / "parts", resume=True)
    same_run(tmp_path / "whole", tmp_path / "parts")
    assert not (tmp_path / "parts" / "resume.safetensors").exists()


def test_there_is_nothing_to_resume_where_no_run_was_interrupted(recipe, tmp_path):
    with pytest.raises(HalfbyteError, match=r"resume\.safetensors"):
        train(recipe(), tmp_path / "none", resume=True)


@kinds
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run_naming_epoch_and_layer(recipe, options, value, tmp_path):
    models = []

    def poison(event: Epoch | float) -> None:
        if isinstance(event, Epoch):
            models[0].fc2.weight.data[0, 0] = value

    with pytest.raises(HalfbyteError, match=r"^epoch 2: the loss is not finite, first in fc2\.weight; try a"):
        train(recipe(**options), tmp_path / "run", check=models.append, progress=poison)
    assert len(curves(tmp_path / "run")) == 1


def test_training_never_opens_the_test_set(recipe, tmp_path, monkeypatch):
    load = data._load

    def only_training(name: str, *, test: bool) -> data.Dataset:
        assert not test
        return load(name, test=test)

    monkeypatch.setattr(data, "load_test", lambda name: pytest.fail("the test set was opened"))
    monkeypatch.setattr(data, "_load", only_training)
    assert train(recipe(train={"epochs": 1}), tmp_path / "run")


def test_the_checkpoint_is_that_of_the_best_epoch_and_the_latest_of_equals(recipe, tmp_path, monkeypatch):
    accuracies = iter([50.0, 80.0, 80.0, 70.0])
    states = []

    def evaluate(model, images):
        model.eval()
        states.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return 1.0, next(accuracies)

    monkeypatch.setattr(loop, "evaluate", evaluate)
    model = train(recipe(train={"freeze": 1.0}), tmp_path / "run")
    tensors, metadata = checkpoint.load(tmp_path / "run" / "checkpoint.safetensors")
    assert metadata["epoch"] == 3
    assert metadata["validation_accuracy"] == 80.0
    for name, tensor in tensors.items():
        assert torch.equal(tensor, states[2][name])
        assert torch.equal(tensor, model.state_dict()[name])
    assert not torch.equal(states[2]["fc1.weight"], states[3]["fc1.weight"])


@kinds
def test_what_was_evaluated_is_what_is_returned_saved_and_exported(recipe, options, tmp_path):
    settings = recipe(**options)
    model = train(settings, tmp_path / "run")
    tensors, metadata = checkpoint.load(tmp_path / "run" / "checkpoint.safetensors")
    _, validation = data.split(data.load_train(settings.data), settings.train.seed)
    predicted = export(model, "net").predict(validation.x)
    assert 100 * float((predicted == validation.y).mean()) == pytest.approx(metadata["validation_accuracy"], abs=1e-9)
    fresh = loop.models.build(settings, (4, 4), "uint8", 3)
    checkpoint.restore(fresh, tensors, tmp_path)
    assert export(fresh, "net").graph.digest == export(model, "net").graph.digest
    assert export(model, "net").verify(validation.x).mismatches == 0


def test_a_run_learns_and_writes_down_how(recipe, tmp_path):
    seen = []
    train(recipe(train={"epochs": 8}), tmp_path / "run", progress=seen.append)
    epochs = [event for event in seen if isinstance(event, Epoch)]
    fractions = [event for event in seen if not isinstance(event, Epoch)]
    assert [epoch.epoch for epoch in epochs] == list(range(1, 9))
    assert all(0 < fraction <= 1 for fraction in fractions)
    assert epochs[-1].validation_accuracy > 60
    assert epochs[-1].loss < epochs[0].loss
    rows = curves(tmp_path / "run")
    assert [int(row["epoch"]) for row in rows] == list(range(1, 9))
    assert float(rows[-1]["loss"]) == pytest.approx(epochs[-1].loss, abs=1e-6)
    assert check_recipe(checkpoint.load(tmp_path / "run/checkpoint.safetensors")[1]["recipe"], "x") == recipe(
        train={"epochs": 8}
    )


def test_an_error_in_the_thread_that_makes_batches_reaches_the_caller(recipe, tmp_path, monkeypatch):
    def broken(*_):
        raise HalfbyteError("no batches today")

    monkeypatch.setattr(loop.augment, "augment", broken)
    with pytest.raises(HalfbyteError, match="no batches today"):
        train(recipe(), tmp_path / "run")


def test_a_convolutional_run_learns_and_validates_in_batches_that_fit_the_cache(recipe, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(loop, "EVALUATION_MAPS", 7)
    hook = lambda module, inputs: seen.append((module.training, len(inputs[0])))  # noqa: E731
    settings = recipe(**{**CNN, "train": {"epochs": 10}})
    model = train(settings, tmp_path / "run", check=lambda m: m.register_forward_pre_hook(hook))
    assert max(n for training, n in seen if not training) == 7
    assert max(n for training, n in seen if training) == 32
    rows = curves(tmp_path / "run")
    assert float(rows[-1]["validation_accuracy"]) > 60
    assert model.conv2.groups == 5


def test_threads_share_a_batch_and_leave_the_gradients_of_all_of_it(recipe):
    settings = recipe(model={"requant": "maxshift"}, train={"epochs": 1})
    training, _ = data.split(data.load_train(settings.data), 1)
    x, y = torch.as_tensor(training.x[:33]), torch.as_tensor(training.y[:33])
    model = loop.models.build(settings, (4, 4), "uint8", 3)
    results = []
    for threads in (1, 2, 3):
        with Workers(model, threads, 0.1) as workers:
            loss, logits = workers.step(x, y)
        results.append((loss, logits, *(p.grad.clone() for p in model.parameters())))
    for other in results[1:]:
        for expected, found in zip(results[0], other, strict=True):
            assert torch.allclose(expected, found, rtol=1e-4, atol=1e-6)


def test_a_run_of_two_threads_repeats_bit_for_bit(recipe, tmp_path):
    settings = {**CNN, "train": {"threads": 2}}
    train(recipe(**settings), tmp_path / "a")
    model = train(recipe(**settings), tmp_path / "b")
    same_run(tmp_path / "a", tmp_path / "b")
    train(recipe(**CNN), tmp_path / "one")
    assert curves(tmp_path / "one") != curves(tmp_path / "a")
    assert not model.get_submodule("conv1").requant.variance.isnan().any()


def test_more_threads_than_samples_are_idle(recipe):
    settings = recipe(**CNN)
    model = loop.models.build(settings, (4, 4), "uint8", 3)
    x = torch.randint(0, 255, (1, 4, 4), dtype=torch.uint8)
    with Workers(model, 3, 0.0) as workers:
        loss, logits = workers.step(x, torch.tensor([2]))
    assert torch.isfinite(loss)
    assert logits.shape == (1, 3)


def test_a_last_batch_of_one_sample_trains_with_batch_normalization(recipe, tmp_path):
    """220 training samples: a batch of 73 leaves one over."""
    settings = recipe(model={"requant": "mulshift", "norm": "batch"}, train={"epochs": 1, "batch": 73})
    parts = data.split(data.load_train(settings.data), 1)
    assert len(parts[0].y) % 73 == 1
    assert train(settings, tmp_path / "run")
