# SPDX-License-Identifier: Apache-2.0
"""Lottery tickets: sparse networks found by training, rewound and trained again, beside the control runs.

Iterative magnitude pruning with rewinding to an early epoch (Frankle & Carbin 2019, arXiv 1803.03635; Frankle et al.
2020, arXiv 1912.05671). That a ticket wins is a finding only where the same mask from another start, and another mask
of the same sparsities, do not.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from training import checkpoint, loop, models
from training.errors import HalfbyteError
from training.files import replacing
from training.prune import masks
from training.prune.scores.magnitude import Magnitude

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import nn

    from training.recipe import Recipe

Kind = Literal["ticket", "reinit", "random mask"]
FRACTION = 0.2  # of the weights that are left, pruned in each round
CONTROL_SEED = 1_000_003  # away from the seed of the run: of the other start, and of the other mask


@dataclass(frozen=True)
class Row:
    """One trained network.

    round     0 is dense; each round prunes FRACTION of what the ticket before has left
    sparsity  fraction of the weights that can be 0 and are masked
    kind      ticket: rewound weights, found mask; reinit: another start from epoch 0, found mask; random mask: rewound
              weights, as many in each layer, drawn
    folder    its run
    """

    round: int
    sparsity: float
    kind: Kind
    validation_accuracy: float
    folder: Path


def lottery(
    recipe: Recipe,
    folder: Path,
    rounds: int,
    rewind: int,
    *,
    progress: Callable[[loop.Epoch | float], None] = lambda _: None,
) -> Iterator[Row]:
    """Find tickets of a recipe, and train their controls; yields each network as it is trained, or found trained.

    rounds  how often it is pruned
    rewind  epoch to whose end weights and optimizers return, 1 <= rewind < train.epochs

    Every network is a run folder in `folder`; called again it goes on where it stopped. HalfbyteError where the recipe
    has a [prune] of its own, or a layer whose weights cannot be 0.
    """
    epochs = recipe.train.epochs
    if recipe.prune is not None:
        raise HalfbyteError(f"{recipe.name}: a lottery prunes by itself; take [prune] out of the recipe")
    if not 1 <= rewind < epochs or rounds < 0:
        raise HalfbyteError(
            f"rewind must be an epoch from 1 to {epochs - 1}, rounds not negative; got {rewind}, {rounds}"
        )
    start = folder / "rewind.safetensors"
    run = _Run(recipe, folder, progress)
    ticket = run.dense(rewind, start)
    yield _row(0, "ticket", ticket, folder / "dense")
    for number in range(1, rounds + 1):
        found = _found(ticket)
        drawn = _drawn(found, recipe.train.seed * 1000 + number)
        name = f"round{number}"
        ticket = run.rewound(folder / f"{name}-ticket", start, found)
        yield _row(number, "ticket", ticket, folder / f"{name}-ticket")
        path = folder / f"{name}-random-mask"
        yield _row(number, "random mask", run.rewound(path, start, drawn), path)
        path = folder / f"{name}-reinit"
        yield _row(number, "reinit", run.anew(path, found), path)


@dataclass(frozen=True)
class _Run:
    """What the runs of a lottery share; each gives its network in eval(), trained if it was not."""

    recipe: Recipe
    folder: Path
    progress: Callable[[loop.Epoch | float], None]

    def dense(self, rewind: int, start: Path) -> nn.Module:
        """The first network; keeps the state that the others return to."""
        path = self.folder / "dense"

        def keep(event: loop.Epoch | float) -> None:
            if isinstance(event, loop.Epoch) and event.epoch == rewind:
                with replacing(start) as temporary:
                    shutil.copyfile(path / "resume.safetensors", temporary)
            self.progress(event)

        if not (path / "resume.safetensors").is_file() and not start.is_file():
            shutil.rmtree(path, ignore_errors=True)  # finished without what the others need

        def check(model: nn.Module) -> None:
            masks.check_prunable(masks.layers_of(model))

        return self._finished(path) or self._train(path, check=check, progress=keep)

    def rewound(self, path: Path, start: Path, kept: dict[str, Tensor]) -> nn.Module:
        """From the state of an early epoch, with these masks."""
        if not (path / "resume.safetensors").is_file() and not (path / "checkpoint.safetensors").is_file():
            tensors, about = checkpoint.load(start)
            twins = ["", "average."] if any(name.startswith("average.") for name in tensors) else [""]
            tensors |= {f"{twin}{name}.mask": mask.clone() for twin in twins for name, mask in kept.items()}
            unranked = [epoch | {"validation_accuracy": 0.0} for epoch in about["history"]]  # they were another's
            checkpoint.save(path / "resume.safetensors", tensors, about | {"history": unranked})
        return self._finished(path) or self._train(path)

    def anew(self, path: Path, kept: dict[str, Tensor]) -> nn.Module:
        """From the start, with other first weights and these masks."""
        if finished := self._finished(path):
            return finished
        part, _ = loop.split(self.recipe)
        torch.manual_seed(CONTROL_SEED + self.recipe.train.seed)
        model = models.build(self.recipe, part.x.shape[1:], str(part.x.dtype), len(part.labels))
        masks.apply(masks.layers_of(model), kept)
        return self._train(path, start=model)

    def _finished(self, path: Path) -> nn.Module | None:
        checkpointed = path / "checkpoint.safetensors"
        if (path / "resume.safetensors").is_file() or not checkpointed.is_file():
            return None
        tensors, about = checkpoint.load(checkpointed)
        if about["recipe"] != self.recipe.model_dump(mode="json", exclude_none=True):
            raise HalfbyteError(f"{path}: is of another recipe, seed or --set; choose another folder")
        model = models.build(self.recipe, tuple(about["shape"]), about["dtype"], len(about["labels"]))
        checkpoint.restore(model, tensors, checkpointed)
        return model

    def _train(self, path: Path, **options: Any) -> nn.Module:  # noqa: ANN401
        options = {"progress": self.progress} | options
        return loop.train(self.recipe, path, resume=(path / "resume.safetensors").is_file(), **options)


def _found(model: nn.Module) -> dict[str, Tensor]:
    """What is left of a network without the FRACTION of its weights that are smallest.  # path: bool"""
    layers = masks.layers_of(model)
    scores = Magnitude().of_weights(model, layers, None)
    return masks.chosen(layers, scores, 1 - (1 - _masked(model)) * (1 - FRACTION), "global", None)


def _drawn(kept: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Masks that keep as much of each layer, anywhere."""
    generator = torch.Generator().manual_seed(CONTROL_SEED + seed)
    return {
        path: mask.flatten()[torch.randperm(mask.numel(), generator=generator)].view_as(mask)
        for path, mask in kept.items()
    }


def _masked(model: nn.Module) -> float:
    """Fraction of the weights that the masks set to 0."""
    layers = masks.layers_of(model).values()
    gone = sum(int((~layer.mask).sum()) for layer in layers if layer.mask is not None)
    return gone / sum(layer.weight.numel() for layer in layers)


def _row(number: int, kind: Kind, model: nn.Module, path: Path) -> Row:
    _, about = checkpoint.load(path / "checkpoint.safetensors")
    return Row(number, _masked(model), kind, about["validation_accuracy"], path)
