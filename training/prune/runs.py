# SPDX-License-Identifier: Apache-2.0
"""A finished run pruned and finetuned into a run of its own."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from training import augment, checkpoint, loop, models
from training.errors import HalfbyteError
from training.files import write_text
from training.layers import freeze_clip
from training.prune import masks
from training.prune.apply import Method, prune_with
from training.prune.obs import recalibrate
from training.prune.samples import Samples
from training.recipe import ConvLayer, LinearLayer, Recipe, check_recipe, set_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.data import Dataset

LR_FACTOR = 0.5  # of the learning rates that the run began with
WARMUP = 0.1  # fraction of the epochs, at most
RISE = 0.5  # fraction of the epochs in which single weights are pruned
TRAINS = ("all", "norms")


@dataclass(frozen=True)
class Finetune:
    """How a pruned network is trained.

    epochs  0: not at all
    train   "all", or "norms": requantizers, biases and gains alone
    seed    None: that of the run
    sets    settings to change, such as "train.lr=0.01"; of the model, before it is pruned
    """

    epochs: int
    train: str = "all"
    seed: int | None = None
    sets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.train not in TRAINS:
            raise HalfbyteError(f"train must be one of {', '.join(TRAINS)}, got '{self.train}'")


@dataclass(frozen=True)
class PrunedRun:
    """A pruned network after its training, in eval(), and what went."""

    model: nn.Module
    sparsity: float
    weights: int
    widths: dict[str, int]
    validation_accuracy: float
    parent_accuracy: float | None

    def to_json(self) -> dict[str, Any]:
        """Everything but the network."""
        return {key: value for key, value in vars(self).items() if key != "model"}

    def summary(self) -> str:
        """In one line."""
        before = "" if self.parent_accuracy is None else f" (before pruning {self.parent_accuracy:.2f} %)"
        return (
            f"{self.weights:,} weights, {100 * self.sparsity:.1f} % of them 0, "
            f"validation {self.validation_accuracy:.2f} %{before}"
        )


def prune_run(
    model: nn.Module,
    recipe: Recipe,
    folder: Path,
    method: Method,
    finetune: Finetune,
    *,
    command: str = "",
    parent: dict[str, Any] | None = None,
    resume: bool = False,
    check: Callable[[nn.Module], object] = lambda _: None,
    progress: Callable[[loop.Epoch | float], None] = lambda _: None,
) -> PrunedRun:
    """Prune the network of a recipe, trained, and finetune it with the recipe's settings into a run folder.

    parent  the digest, command and validation_accuracy of the run, for the record

    The rest as in `loop.train`. Single weights are pruned gradually while it trains, if it does, and neither one_shot
    nor N:M. The validation images are those that the run had.
    """
    accuracy_before = None if parent is None else parent.get("validation_accuracy")
    if resume:
        recipe = _begun(folder, command)
        loop.train(
            recipe, folder, command=command, parent=parent, resume=True, check=check, progress=progress, teacher=model
        )
        return _result(folder, recipe, accuracy_before)
    gradual = finetune.epochs > 0 and not (method.structured or method.one_shot or method.n_of_m)
    recipe = finetuned_recipe(recipe, finetune, method if gradual else None)
    training, validation = loop.split(recipe)
    start = restarted(model, recipe, training)
    if finetune.train == "norms":
        _check_norms(start)
    images = loop.on_device(training)
    samples = Samples(images.x, images.y, recipe.train, augment.Augment(**recipe.augment.model_dump()))
    torch.manual_seed(recipe.train.seed)
    if gradual:
        prune_with(copy.deepcopy(start), method, samples)  # refuses what cannot be reached, before it trains
    else:
        prune_with(start, method, samples)
    recipe = with_widths(recipe, start)
    if finetune.epochs:
        loop.train(
            recipe, folder, command=command, parent=parent, start=start, check=check, progress=progress, teacher=model
        )
    else:
        if not method.one_shot:
            recalibrate(start, samples)
        freeze_clip(start)
        check(start)
        _, accuracy = loop.evaluate(start, loop.on_device(validation))
        about = loop.describe(recipe, command, training, parent) | {"epoch": 0, "validation_accuracy": accuracy}
        write_text(folder / "recipe.toml", recipe.to_toml())
        checkpoint.save(folder / "checkpoint.safetensors", start.state_dict(), about)
    return _result(folder, recipe, accuracy_before)


def _result(folder: Path, recipe: Recipe, accuracy_before: float | None) -> PrunedRun:
    """What lies in the folder of a finished run."""
    path = folder / "checkpoint.safetensors"
    tensors, about = checkpoint.load(path)
    model = models.build(recipe, tuple(about["shape"]), about["dtype"], len(about["labels"]))
    checkpoint.restore(model, tensors, path)
    layers = masks.layers_of(model)
    weights = sum(layer.weight.numel() for layer in layers.values())
    widths = {name: layer.out_channels for name, layer in layers.items()}
    return PrunedRun(model, masks.sparsity(model), weights, widths, about["validation_accuracy"], accuracy_before)


def _begun(folder: Path, command: str) -> Recipe:
    """The recipe of an interrupted run, its layers as they were cut; HalfbyteError where it is of another command."""
    path = folder / "resume.safetensors"
    _, metadata = checkpoint.load(path)
    if metadata.get("command") != command:
        raise HalfbyteError(f"{folder}: was begun with: {metadata.get('command')}; resume it with the same options")
    return check_recipe(metadata["recipe"], str(path))


def finetuned_recipe(recipe: Recipe, finetune: Finetune, gradual: Method | None) -> Recipe:
    """The recipe of the training that follows, the widths still those of the parent."""
    table = recipe.model_dump(mode="json", exclude_none=True)
    train = table["train"]
    table.pop("prune", None)
    train.pop("switch", None)
    if gradual is not None:
        scope, score = gradual.scope, gradual.score
        table["prune"] = {"sparsity": gradual.sparsity, "begin": 0.0, "end": RISE, "scope": scope, "score": score}
    if finetune.epochs:
        train |= {"epochs": finetune.epochs, "schedule": "cosine", "milestones": []}
        train |= {"lr": train["lr"] * LR_FACTOR, "lr_other": train["lr_other"] * LR_FACTOR}
        train["warmup"] = min(train["warmup"], WARMUP * finetune.epochs)
    if finetune.seed is not None and finetune.seed != train["seed"]:
        train |= {"seed": finetune.seed, "split": train.get("split", train["seed"])}
    if finetune.train == "norms":
        train["only"] = "norms"
    else:
        train.pop("only", None)
    for override in finetune.sets:
        set_value(table, override)
    return check_recipe(table, " ".join([recipe.name, *(f"--set {override}" for override in finetune.sets)]))


def restarted(model: nn.Module, recipe: Recipe, training: Dataset) -> nn.Sequential:
    """A copy of a trained network that learns again: a recipe's options, the model's weights, clip scales thawed."""
    start = models.build(recipe, training.x.shape[1:], str(training.x.dtype), len(training.labels))
    try:
        checkpoint.restore(start, model.state_dict(), Path(recipe.name))
    except HalfbyteError as error:
        raise HalfbyteError(f"{error}; layers and their scales stay those of the run, formats may change") from None
    for layer in masks.layers_of(start).values():
        layer.frozen.fill_(0)
        if layer.requant is not None:
            layer.requant.frozen.fill_(0)
        layer.update_clip()
    return start.to(loop.pick_device())


def with_widths(recipe: Recipe, model: nn.Module) -> Recipe:
    """The recipe whose layers are as wide as those of a model."""
    table = recipe.model_dump(mode="json", exclude_none=True)
    layers = [
        (entry, kind)
        for entry, layer in zip(table["model"]["layers"], recipe.model.layers, strict=True)
        for kind, section in {"linear": LinearLayer, "conv": ConvLayer}.items()
        if isinstance(layer, section)
    ]
    for (entry, kind), found in zip(layers, list(masks.layers_of(model).values())[:-1], strict=True):
        entry[kind] = found.out_channels
    return check_recipe(table, recipe.name)


def _check_norms(model: nn.Module) -> None:
    """HalfbyteError where there is nothing to learn but matrices and the temperature of the scores."""
    known = {
        id(p) for layer in masks.layers_of(model).values() for p in (layer.weight, layer.temperature) if p is not None
    }
    if all(id(parameter) in known for parameter in model.parameters()):
        raise HalfbyteError(
            "train norms: this network has no biases, gains or scales to train, as with requant 'maxshift'; train all"
        )
