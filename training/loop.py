# SPDX-License-Identifier: Apache-2.0
"""Training, top to bottom: data on the device, batches made by a second thread, one epoch after the other."""

from __future__ import annotations

import csv
import io
import queue
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from training import augment, checkpoint, compress, data, models, optim, switch
from training.average import Average
from training.errors import HalfbyteError
from training.files import write_text
from training.layers import BitConv1d, BitConv2d, BitLayer, freeze_clip
from training.parallel import Workers
from training.prune import gradual
from training.prune.samples import Samples
from training.recipe import check_recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from training.recipe import Recipe

EVALUATION_BATCH = 1000  # small enough to stay in cache: four times as fast as all at once
EVALUATION_MAPS = 100  # the same where there are feature maps
PREFETCH = 4  # batches made ahead of the optimizer
SWITCH_INTERVAL = 1e-4  # seconds; the thread that makes batches would wait 5 ms for its turn, a whole step


@dataclass(frozen=True)
class Epoch:
    """One line of curves.csv. Accuracies in percent; seconds of training and evaluation."""

    epoch: int
    loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    lr: float
    seconds: float


@dataclass(frozen=True)
class Images:
    """Raw samples and classes on the device.  # (n, *shape), (n,)"""

    x: Tensor
    y: Tensor


def pick_device() -> torch.device:
    """CUDA where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(
    recipe: Recipe,
    folder: Path,
    *,
    command: str = "",
    resume: bool = False,
    check: Callable[[nn.Module], object] = lambda _: None,
    progress: Callable[[Epoch | float], None] = lambda _: None,
    start: nn.Sequential | None = None,
    parent: dict[str, Any] | None = None,
    teacher: nn.Module | None = None,
) -> nn.Sequential:
    """Train a recipe into a run folder; returns the network of the best validation accuracy, in eval().

    command   what a user types to make this run again, for the record
    resume    go on behind the last epoch that was finished there
    check     is called with the untrained network, and may refuse it
    progress  is called with the fraction of an epoch that is done, and with each finished Epoch
    start     the network to begin with, of the recipe's layers; None: an untrained one
    parent    what it was made from, for the record
    teacher   a trained network that train.distill follows

    Writes recipe.toml, curves.csv, TensorBoard events, checkpoint.safetensors (the best epoch) and resume.safetensors
    (the last one, gone at the end). The test set is not opened. HalfbyteError where the loss stops being finite, naming
    epoch and layer.
    """
    settings, device = recipe.train, pick_device()
    if settings.distill and teacher is None:
        raise HalfbyteError(f"train.distill = {settings.distill:g} follows the network that was pruned: halfbyte prune")
    torch.set_num_threads(1)  # the layers are small: a second core serves better by making batches
    parts = split(recipe)
    training, validation = (on_device(part) for part in parts)
    torch.manual_seed(settings.seed)
    model = start
    if model is None:
        model = models.build(recipe, parts[0].x.shape[1:], str(parts[0].x.dtype), len(parts[0].labels))
    model = model.to(device)
    teacher = teacher.to(device) if teacher is not None and settings.distill else None
    check(model)
    if recipe.prune:
        gradual.begin(model)
    if recipe.compress:
        compress.begin(model)
    optimizers = optim.make_optimizers(model, settings, recipe.compress.lr if recipe.compress else 0.0)
    average = Average(model, settings.average)
    formats = switch.own_formats(model)
    history = _resume(folder, model, average, optimizers, recipe, formats) if resume else []
    about = describe(recipe, command, parts[0], parent)
    write_text(folder / "recipe.toml", recipe.to_toml())
    distort = augment.Augment(**recipe.augment.model_dump())
    samples = Samples(training.x, training.y, settings, distort)
    freeze_at = round(settings.freeze * settings.epochs)
    for epoch in range(len(history), settings.epochs):
        started = time.perf_counter()
        switch.set_formats({model, average.model}, formats, settings.switch, epoch)
        if epoch >= freeze_at:
            freeze_clip(model)
        batches = _prefetched(_batches(training, settings.batch, distort, settings.seed, epoch))
        loss, accuracy = _train_epoch(model, average, optimizers, batches, samples, epoch, recipe, progress, teacher)
        average.model.train()  # so that eval() brings its clip scales up to date
        val_loss, val_accuracy = evaluate(average.model, validation)
        lr = settings.lr * optim.learning_rate_factor(settings, epoch)
        seconds = time.perf_counter() - started
        history.append(Epoch(epoch + 1, loss, accuracy, val_loss, val_accuracy, lr, seconds))
        _save(folder, model, average, optimizers, history, about, recipe)
        _log_events(folder, history[-1])
        progress(history[-1])
    tensors, metadata = checkpoint.load(folder / "checkpoint.safetensors")
    if recipe.compress:  # rows without bits are gone
        recipe = check_recipe(metadata["recipe"], str(folder))
        model = models.build(recipe, parts[0].x.shape[1:], str(parts[0].x.dtype), len(parts[0].labels)).to(device)
    checkpoint.restore(model, tensors, folder / "checkpoint.safetensors")
    (folder / "resume.safetensors").unlink(missing_ok=True)
    return model.eval()


def split(recipe: Recipe) -> tuple[data.Dataset, data.Dataset]:
    """The training and the validation part of a recipe's training set."""
    settings = recipe.train
    return data.split(data.load_train(recipe.data), settings.seed if settings.split is None else settings.split)


def on_device(part: data.Dataset) -> Images:
    """All samples where they are trained on."""
    device = pick_device()
    return Images(torch.as_tensor(part.x, device=device), torch.as_tensor(part.y, device=device))


def describe(recipe: Recipe, command: str, part: data.Dataset, parent: dict[str, Any] | None) -> dict[str, Any]:
    """What a checkpoint says about its network."""
    about = {"recipe": recipe.model_dump(mode="json", exclude_none=True), "command": command, "labels": part.labels}
    about |= {"shape": part.x.shape[1:], "dtype": str(part.x.dtype)}
    return about if parent is None else about | {"parent": parent}


def _train_epoch(
    model: nn.Module,
    average: Average,
    optimizers: list[torch.optim.Optimizer],
    batches: Iterator[tuple[Tensor, Tensor]],
    samples: Samples,
    epoch: int,
    recipe: Recipe,
    progress: Callable[[Epoch | float], None],
    teacher: nn.Module | None,
) -> tuple[float, float]:
    """One pass over the training set: mean loss, and accuracy in percent of the distorted images."""
    settings, n = recipe.train, len(samples.y)
    total = torch.zeros((), device=next(model.parameters()).device)
    correct = torch.zeros_like(total)
    seen = steps = 0
    distill = settings.distill or 0.0
    with Workers(model, settings.threads or 1, settings.label_smoothing, teacher, distill) as workers:
        for x, y in batches:
            optim.set_learning_rate(optimizers, optim.learning_rate_factor(settings, epoch + seen / n))
            loss, logits = workers.step(x, y)
            if not torch.isfinite(loss):
                where = _not_finite(model, x)
                raise HalfbyteError(f"epoch {epoch + 1}: the loss is not finite, first {where}; try a lower train.lr")
            if recipe.compress:
                compress.learn(model, recipe.compress, (epoch + seen / n) / settings.epochs)
            for optimizer in optimizers:
                optimizer.step()
            seen += len(y)
            steps += 1
            if recipe.prune and (seen == n or gradual.is_due(recipe.prune, steps)):
                gradual.step(model, recipe.prune, samples, (epoch + seen / n) / settings.epochs)
            average.update(model)
            total += loss * len(y)
            correct += (logits.argmax(1) == y).sum()
            progress(seen / n)
    return float(total / n), 100 * float(correct / n)


@torch.no_grad()
def _not_finite(model: nn.Module, x: Tensor) -> str:
    """Where it began: the first layer, in the order of the data, that is given or makes a value that is not finite."""
    for name, layer in model.named_children():
        for parameter_name, parameter in layer.named_parameters():
            if not torch.isfinite(parameter).all():
                return f"in {name}.{parameter_name}"
        x = layer(x)
        if not torch.isfinite(x).all():
            return f"in what comes out of {name}"
    return "in the loss"


def _batches(
    images: Images, size: int, distort: augment.Augment, seed: int, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The training set in a new order, distorted; a function of seed and epoch alone."""
    device = images.x.device
    generator = torch.Generator(device).manual_seed(seed * 1_000_003 + epoch)
    for index in torch.randperm(len(images.y), generator=generator, device=device).split(size):
        yield augment.augment(images.x[index], distort, generator), images.y[index]


def _prefetched(batches: Iterator[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batches, made by a thread of their own: it distorts while this one learns."""
    ready: queue.Queue[tuple[Tensor, Tensor] | BaseException | None] = queue.Queue(PREFETCH)
    stopped = threading.Event()

    def put(item: tuple[Tensor, Tensor] | BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return

    def work() -> None:
        try:
            torch.set_num_threads(1)
            for batch in batches:
                put(batch)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 (handed to the thread that waits)
            put(error)

    threading.Thread(target=work, daemon=True, name="batches").start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        sys.setswitchinterval(interval)


@torch.no_grad()
def evaluate(model: nn.Module, images: Images) -> tuple[float, float]:
    """Loss of the integer scores at the trained temperature, and accuracy in percent, both in eval()."""
    model.eval()
    last = [m for m in model.modules() if isinstance(m, BitLayer)][-1]
    maps = any(isinstance(m, (BitConv1d, BitConv2d)) for m in model.modules())
    scores = torch.cat([model(x) for x in images.x.split(EVALUATION_MAPS if maps else EVALUATION_BATCH)])
    loss = functional.cross_entropy(last.scores_to_logits(scores), images.y)
    return float(loss), 100 * float((scores.argmax(1) == images.y).double().mean())


def _save(
    folder: Path,
    model: nn.Module,
    average: Average,
    optimizers: list[torch.optim.Optimizer],
    history: list[Epoch],
    about: dict[str, Any],
    recipe: Recipe,
) -> None:
    """The curve, the best epoch so far (of equals, the latest), and the state to resume from.

    As long as the network still becomes smaller, no epoch is better than the next.
    """
    last, settled = history[-1], recipe.settled() * recipe.train.epochs
    best = max(history, key=lambda e: (e.epoch > settled, e.validation_accuracy * (e.epoch > settled), e.epoch))
    if last is best and last.epoch > switch.through(recipe.train.switch):
        best_model, kept = average.model, about
        if recipe.compress:
            best_model, small = compress.without_dead_rows(average.model, recipe)
            kept = about | {"recipe": small.model_dump(mode="json", exclude_none=True)}
        score = {"epoch": last.epoch, "validation_accuracy": last.validation_accuracy}
        checkpoint.save(folder / "checkpoint.safetensors", best_model.state_dict(), kept | score)
    state = model.state_dict()
    if average.model is not model:
        state |= {f"average.{name}": tensor for name, tensor in average.model.state_dict().items()}
    for index, optimizer in enumerate(optimizers):
        state |= checkpoint.flatten(f"optimizer{index}", optimizer.state_dict()["state"])
    epochs = [asdict(epoch) for epoch in history]
    checkpoint.save(folder / "resume.safetensors", state, about | {"history": epochs, "steps": average.steps})
    write_text(folder / "curves.csv", _to_csv(history))


def _log_events(folder: Path, epoch: Epoch) -> None:
    """The same figures for TensorBoard, where it is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 (heavy, and optional)
    except ImportError:
        return
    with SummaryWriter(str(folder / "tensorboard"), max_queue=1) as writer:
        for name, value in asdict(epoch).items():
            if name != "epoch":
                writer.add_scalar(name, value, epoch.epoch)


def _to_csv(history: list[Epoch]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(asdict(history[0])), lineterminator="\n")
    writer.writeheader()
    for epoch in history:
        writer.writerow({k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(epoch).items()})
    return text.getvalue()


def _resume(
    folder: Path,
    model: nn.Module,
    average: Average,
    optimizers: list[torch.optim.Optimizer],
    recipe: Recipe,
    formats: dict[str, str],
) -> list[Epoch]:
    """Put model and optimizers back to where a run stopped; its finished epochs."""
    tensors, metadata = checkpoint.load(folder / "resume.safetensors")
    if metadata["recipe"] != recipe.model_dump(mode="json", exclude_none=True):
        raise HalfbyteError(f"{folder}: was begun with another recipe, seed or --set; resume it with the same ones")
    switch.set_formats({model, average.model}, formats, recipe.train.switch, len(metadata["history"]) - 1)
    averaged = {name.removeprefix("average."): t for name, t in tensors.items() if name.startswith("average.")}
    own = {name: t for name, t in tensors.items() if not name.startswith(("optimizer", "average."))}
    checkpoint.restore(average.model, averaged or own, folder / "resume.safetensors")
    checkpoint.restore(model, own, folder / "resume.safetensors")
    average.steps = metadata["steps"]
    for index, optimizer in enumerate(optimizers):
        state = optimizer.state_dict()
        state["state"] = checkpoint.unflatten_state(tensors, f"optimizer{index}")
        optimizer.load_state_dict(state)
    return [Epoch(**record) for record in metadata["history"]]
