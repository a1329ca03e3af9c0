# SPDX-License-Identifier: Apache-2.0
"""The verb `halfbyte prune`: a finished run with fewer weights or channels, finetuned."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.training import Resume, Sets, check_folder, new_folder, screen, training_bar
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from training.prune.apply import Method
    from training.prune.choose import Cost
    from training.prune.runs import Finetune

RunFolder = Annotated[Path, typer.Argument(help="Finished run, or a shipped model such as models/mnist-fc-12k.")]
Fraction = Annotated[float | None, typer.Option(help="Fraction of the weights to remove.")]


def prune(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(help="Run folder of the pruned network.")],
    target_sparsity: Fraction = None,
    target_instructions: Annotated[
        float | None, typer.Option(help="Structured: fraction of the multiplications to remove; instructions follow.")
    ] = None,
    structured: Annotated[bool, typer.Option("--structured", help="Remove channels and neurons.")] = False,
    multiple: Annotated[
        int, typer.Option(help="Structured: layers keep a multiple of it; kernels make 8 channels at once.")
    ] = 1,
    score: Annotated[
        str, typer.Option(help="What they are worth: magnitude, wanda, fisher; structured: group-l1, l0 too.")
    ] = "magnitude",
    scope: Annotated[
        str, typer.Option(help="Weights: the least of all layers (global), or of each (layer).")
    ] = "global",
    n_of_m: Annotated[
        str | None, typer.Option("--nm", help="Weights: how many of how many inputs stay, such as 2:4.")
    ] = None,
    one_shot: Annotated[
        bool, typer.Option("--one-shot", help="Weights: those that stay absorb the error, from training images alone.")
    ] = False,
    finetune: Annotated[int, typer.Option(min=0, help="Epochs of training afterwards.")] = 10,
    train: Annotated[str, typer.Option(help="What learns then: all, or norms (with biases and gains).")] = "all",
    sets: Sets = None,
    seed: Annotated[int | None, typer.Option(help="Of the training; default: that of the run.")] = None,
    resume: Resume = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """Remove what a finished run needs least, and finetune it into a run of its own. The test set is not opened."""
    from exporter.export import prepare  # noqa: PLC0415 (torch takes a second)
    from exporter.runs import load_run  # noqa: PLC0415
    from training import plots  # noqa: PLC0415
    from training.prune.runs import Finetune, prune_run  # noqa: PLC0415

    check_folder(out, resume)
    method = _method(target_sparsity, target_instructions, structured, score, scope, n_of_m, one_shot, multiple)
    run = load_run(folder)
    parent = {
        "digest": prepare(run.model, run.name)[0].digest,
        "command": run.command,
        "validation_accuracy": run.metadata["validation_accuracy"],
    }
    settings = Finetune(finetune, train, seed, tuple(sets or ()))
    command = _command(folder, method, settings, run.recipe.train.seed)
    with new_folder(out), training_bar(f"{run.name} pruned", finetune) as progress:
        pruned = prune_run(
            run.model, run.recipe, out, method, settings, command=command, parent=parent, resume=resume,
            check=lambda m: prepare(m, run.name), progress=progress,
        )  # fmt: skip
    plots.plot_run(out, pruned.model)
    if as_json:
        print(json.dumps(pruned.to_json()))
    screen.print(f"{out}: {pruned.summary()}; next: halfbyte export {out}", highlight=False, soft_wrap=True)


def _method(
    weights: float | None,
    products: float | None,
    structured: bool,
    score: str,
    scope: str,
    n_of_m: str | None,
    one_shot: bool,
    multiple: int,
) -> Method:
    """What the options ask for; HalfbyteError where they contradict each other."""
    from training.prune.apply import Method  # noqa: PLC0415

    if sum(option is not None for option in (weights, products, n_of_m)) != 1:
        raise HalfbyteError("give one target: --target-sparsity 0.5, --target-instructions 0.5, or --nm 2:4")
    if products is not None and not structured:
        raise HalfbyteError("--target-instructions takes --structured: it counts what channels cost")
    sparsity = weights if products is None else products
    cost: Cost = "weights" if products is None else "products"
    return Method(sparsity, structured, score, cost, scope, n_of_m, one_shot, multiple)


def _command(folder: Path, method: Method, settings: Finetune, own_seed: int) -> str:
    """What makes the run again, without the folder it went to."""
    words = ["halfbyte", "prune", str(folder)]
    if method.n_of_m:
        words += ["--nm", method.n_of_m]
    else:
        words += [f"--target-{'sparsity' if method.cost == 'weights' else 'instructions'}", f"{method.sparsity:g}"]
    words += ["--structured"] * method.structured + ["--one-shot"] * method.one_shot
    words += ["--multiple", str(method.multiple)] if method.multiple > 1 else []
    words += ["--score", method.score] if method.score != "magnitude" else []
    words += ["--scope", method.scope] if method.scope != "global" else []
    words += ["--finetune", str(settings.epochs)]
    words += ["--train", settings.train] if settings.train != "all" else []
    words += ["--seed", str(own_seed if settings.seed is None else settings.seed)]
    for setting in settings.sets:
        words += ["--set", setting]
    return shlex.join(words)
