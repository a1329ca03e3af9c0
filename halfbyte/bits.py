# SPDX-License-Identifier: Apache-2.0
"""The verb `halfbyte bits`: the best format for every layer that bytes of flash, or a chip, allow."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 (typer reads the annotations)
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from exporter.mixed import Candidates, Choice

screen = Console(stderr=True)


def bits(
    folder: Annotated[Path, typer.Argument(help="Trained run, or a shipped model such as models/mnist-fc-12k.")],
    flash: Annotated[int | None, typer.Option(min=1, help="Bytes that all constants may take.")] = None,
    chip: Annotated[
        str | None, typer.Option(help="Chip whose flash the image has to fit (see: halfbyte chips).")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Validation images that the loss is measured on.")] = 2000,
    out: Annotated[Path | None, typer.Option(help="Write a recipe with these formats, ready to train.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Choose each layer's format by how much worse a trained network gets with it, for --flash bytes or a --chip.

    Each layer alone is quantized to each format, without training; the combination with the least loss is found
    exactly, as if the losses of layers added up.
    """
    from exporter import mixed, runs  # noqa: PLC0415 (torch takes a second)
    from exporter.chips.chip import load_chip  # noqa: PLC0415
    from training import sensitivity  # noqa: PLC0415

    if (flash is None) == (chip is None):
        raise HalfbyteError("halfbyte bits: give either --flash BYTES or --chip CHIP")
    if out is not None and out.suffix != ".toml":
        raise HalfbyteError(f"--out {out}: a recipe is a .toml file")
    described = None if chip is None else load_chip(chip)
    run = runs.load_run(folder)
    with screen.status("loading") as status:
        loss, losses = sensitivity.loss_increases(
            run.model,
            sensitivity.validation(run.recipe, images),
            progress=lambda what: status.update(f"measuring {what}"),
        )
        found = mixed.candidates(run.model, run.name, losses)
        if described is None:
            assert flash is not None
            chosen = mixed.for_flash(found, flash)
            said = f"{chosen.bytes:,} of {flash:,} bytes of constants"
        else:
            from exporter.chips.image import Options  # noqa: PLC0415
            from exporter.chips.mixed import for_chip  # noqa: PLC0415

            status.update(f"building for {chip}")
            fitted = for_chip(run.model, run.name, found, described, Options())
            chosen = fitted.choice
            said = f"{fitted.flash:,} of {fitted.size:,} bytes of {chip}"
    if out is not None:
        recipe = mixed.mixed_recipe(run.recipe, [option.format for option in chosen.options], out.stem)
        from training.files import write_text  # noqa: PLC0415

        write_text(out, recipe.to_toml())
    if as_json:
        print(json.dumps(_record(found, chosen, loss, losses)))
        return
    _print(found, chosen)
    Console().print(
        f"{said}; loss {loss:.4f} + {chosen.loss:.4f} before training with it", highlight=False, soft_wrap=True
    )
    if out is not None:
        screen.print(f"next: halfbyte run {out}", markup=False, highlight=False, soft_wrap=True)


def _record(found: Candidates, chosen: Choice, loss: float, losses: dict[str, dict[str, float]]) -> dict[str, Any]:
    layers = {path: asdict(option) for path, option in zip(found.paths, chosen.options, strict=True)}
    return {"loss": loss, "increase": chosen.loss, "bytes": chosen.bytes, "layers": layers, "measured": losses}


def _print(found: Candidates, chosen: Choice) -> None:
    table = Table(box=None)
    for column in ("layer", "format", "bytes", "loss"):
        table.add_column(column, justify="right" if column in ("bytes", "loss") else "left")
    for path, option in zip(found.paths, chosen.options, strict=True):
        table.add_row(path, option.format, f"{option.bytes:,}", f"{option.loss:+.4f}")
    Console().print(table)
