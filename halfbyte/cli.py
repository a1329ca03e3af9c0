# SPDX-License-Identifier: Apache-2.0
"""The command `halfbyte`: every verb, its options, and how errors leave the house."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from halfbyte import __version__
from halfbyte.benchmarks import bench, results
from halfbyte.bits import bits
from halfbyte.chips import VERBS, emulate, print_ways
from halfbyte.pruning import prune
from halfbyte.studies import study
from halfbyte.training import Out, Resume, Seed, Sets, check_folder, new_folder, training_bar
from training.errors import HalfbyteError

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads starve a shared core

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from exporter.verify import Report
    from training.recipe import Recipe

app = typer.Typer(
    help="Train networks with weights of less than a byte, export bit-exact C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
CTRL_C = 130
EXTRAS = {"elftools": "firmware", "capstone": "firmware"}  # modules of other extras than train
PIPE_WIDTH = 160  # columns where standard output is no terminal
screen = Console(stderr=True)  # progress, tables, errors
RunFolder = Annotated[Path, typer.Argument(help="Run folder, or a shipped model such as models/mnist-fc-12k.")]
RecipeName = Annotated[str, typer.Argument(help="Name of a recipe (see: halfbyte recipes), or a .toml file.")]
Images = Annotated[str, typer.Option(help="Test images to compare: a number, or all.")]
Random = Annotated[int, typer.Option(min=0, help="Made-up samples to compare besides.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


app.add_typer(bench, name="bench")


def _paper() -> Console:
    """Standard output: as wide as the terminal, or wide enough to be searched."""
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=PIPE_WIDTH)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"halfbyte {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
    _: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="The version.")] = False,
) -> None:
    """Options before the verb."""
    os.environ["HALFBYTE_DEBUG"] = "1" if debug else os.environ.get("HALFBYTE_DEBUG", "")


@app.command()
def run(
    recipe: RecipeName,
    out: Out = None,
    seed: Seed = None,
    sets: Sets = None,
    resume: Resume = False,
    chip: Annotated[str | None, typer.Option(help="Also build an image for this chip and emulate it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train, export and verify, in one go; with --chip, build the firmware and emulate it as well."""
    folder = _train(recipe, out, seed, sets or [], resume, _refuse if chip is None else _refuse_for(chip))
    _export(folder)
    report = _verify(folder, "all", 256)
    _finish(report, folder, as_json)
    if chip is not None:
        emulate([folder], chip, as_json=as_json)


@app.command()
def train(recipe: RecipeName, out: Out = None, seed: Seed = None, sets: Sets = None, resume: Resume = False) -> None:
    """Train a recipe into a run folder. The test set is not opened."""
    folder = _train(recipe, out, seed, sets or [], resume, _warn)
    screen.print(f"{folder}: trained; next: halfbyte export {folder}")


@app.command()
def export(
    folder: RunFolder,
    plan: Annotated[
        str, typer.Option(help="How maps run: auto takes the least memory; layer, rows, channels.")
    ] = "auto",
    optimize: Annotated[
        str | None,
        typer.Option(
            help="How weights are stored: for speed, for size (coded), or a balance; default: as the recipe says."
        ),
    ] = None,
    codec: Annotated[str | None, typer.Option(help="The codec of all weights instead, or plain.")] = None,
) -> None:
    """Write graph.json, bounds.json, plan.json and the C of a run."""
    _export(folder, plan, optimize, codec)


@app.command()
def verify(
    folder: RunFolder,
    images: Images = "all",
    random: Random = 256,
    variant: Annotated[str, typer.Option(help="Of the kernels; portable is the C in the run.")] = "portable",
    as_json: AsJson = False,
) -> None:
    """Compare the C, the NumPy reference and PyTorch, layer by layer. Exit code 1 on any difference."""
    _finish(_verify(folder, images, random, variant), folder, as_json)


@app.command()
def show(folder: RunFolder, as_json: AsJson = False) -> None:
    """Layers, bits, bytes, bounds, accuracy and memory plan of a run; written to its report.md and plan.png too."""
    from exporter import planview, report  # noqa: PLC0415 (torch takes a second)
    from exporter.chips.storing import CORE, Way  # noqa: PLC0415

    description = report.write_report(folder)
    if as_json:
        print(json.dumps(description))
        return
    console = _paper()
    console.print(report.layer_table(description))
    for line in report.summary(description):
        console.print(line, highlight=False, soft_wrap=True)
    console.print()
    print_ways(
        {layer: [Way(**way) for way in found] for layer, found in description["ways"].items()},
        f"instructions on {CORE}",
    )
    console.print()
    console.print(planview.plan_table(description["plan"]))
    for line in planview.group_lines(description["plan"]):
        console.print(line, highlight=False, soft_wrap=True)


@app.command()
def recipes(as_json: AsJson = False) -> None:
    """The recipes that ship."""
    from training.recipe import load_recipe, recipe_names  # noqa: PLC0415

    rows = [_recipe_row(load_recipe(name)) for name in recipe_names()]
    if as_json:
        print(json.dumps(rows))
        return
    shown = ("recipe", "data", "layers", "format", "about")
    table = Table(box=None, padding=(0, 1, 0, 0))
    for key in shown:
        table.add_column(key, no_wrap=key != "about", overflow="fold")
    for row in rows:
        table.add_row(*(row[key] for key in shown))
    _paper().print(table)


@app.command()
def demo(out: Out = None, epochs: Annotated[int, typer.Option(min=1, help="Epochs of training.")] = 20) -> None:
    """Train, export and verify a small network: MNIST, or scikit-learn's digits where MNIST cannot be had."""
    from training import data  # noqa: PLC0415

    recipe = "mnist-fc-12k"
    try:
        data.fetch("mnist")
    except HalfbyteError as error:
        recipe = "digits-fc"
        screen.rule("[bold red]NOT MNIST", style="red")
        screen.print(f"{error}\nThe demo goes on with scikit-learn's 8x8 digits instead.", markup=False)
        screen.rule(style="red")
    seed = 1
    folder = out or _unused(Path("runs") / "demo")
    run(recipe, out=folder, seed=seed, sets=[f"train.epochs={epochs}"])
    _paper().print(_demo_table(folder))


def _unused(folder: Path) -> Path:
    """The folder, or the first of folder-2, folder-3 ... that does not exist."""
    names = (folder if i == 1 else folder.with_name(f"{folder.name}-{i}") for i in itertools.count(1))
    return next(name for name in names if not name.exists())


def _demo_table(folder: Path) -> Table:
    from exporter.report import describe  # noqa: PLC0415

    description = describe(folder)
    verified = description["verified"]
    table = Table(title=f"{description['name']}: {folder}/c/", title_justify="left", show_header=False)
    for name, value in (
        ("accuracy of the C", f"{verified['accuracy']:.2f} % of {verified['images']:,} test images"),
        ("integers that differ", f"{verified['mismatches']} between C, NumPy and PyTorch, every layer"),
        ("constants in flash", f"{description['weight_bytes']:,} bytes for {description['weights']:,} weights"),
        ("RAM", f"{description['input_bytes']} bytes of input, {description['arena_bytes']} of arena"),
        ("look at", f"halfbyte show {folder}; {folder}/curves.png; {folder}/weights.png"),
    ):
        table.add_row(name, value)
    return table


app.command()(prune)
app.command()(results)
app.command()(bits)
app.command()(study)
for _verb in VERBS:
    app.command()(_verb)


def main() -> None:
    """Run the command; a refused input is one line and exit code 2, Ctrl-C is 130."""
    try:
        code = app(standalone_mode=False) or 0  # of a typer.Exit; Ctrl-C has become 130 or Abort in there
    except (KeyboardInterrupt, typer.Abort):
        code = CTRL_C
    except Exception as error:
        if os.environ.get("HALFBYTE_DEBUG"):
            raise
        _leave(_one_line(error), 2)
    if code == CTRL_C:
        _leave("stopped by Ctrl-C", CTRL_C)
    sys.exit(code)


def _one_line(error: Exception) -> str:
    """What the user reads of an error."""
    if isinstance(error, HalfbyteError):
        return str(error)
    if hasattr(error, "format_message"):  # click's own: wrong options and arguments; empty where it printed the help
        return error.format_message() and f"{error.format_message()} (see --help)"
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        return f"{package} is not installed: pip install 'halfbyte[{EXTRAS.get(package, 'train')}]'"
    if isinstance(error, OSError):
        return f"{error.filename or 'file'}: {error.strerror or error}"
    return f"this is a bug of halfbyte: {type(error).__name__}: {error}; please report what halfbyte --debug shows"


def _leave(message: str, code: int) -> None:
    if message:
        screen.print(f"halfbyte: {message}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


def _recipe_row(recipe: Recipe) -> dict[str, Any]:
    formats = dict.fromkeys(
        [recipe.model.format, *(getattr(layer, "format", None) or recipe.model.format for layer in recipe.model.layers)]
    )
    return {
        "recipe": recipe.name,
        "data": recipe.data,
        "layers": recipe.model.short,
        "format": ", ".join(formats),
        "requant": recipe.model.requant,
        "epochs": recipe.train.epochs,
        "about": recipe.about,
    }


def _refuse(model: nn.Module, name: str) -> None:
    """HalfbyteError where the network could not be exported, before any time is spent on it."""
    from exporter.export import prepare  # noqa: PLC0415

    prepare(model, name)


def _refuse_for(chip: str) -> Callable[[nn.Module, str], None]:
    """As `_refuse`, also where the chip is unknown, or the network's image cannot be built for it or does not fit."""
    from exporter.chips.chip import load_chip  # noqa: PLC0415

    described = load_chip(chip)

    def check(model: nn.Module, name: str) -> None:
        from exporter.chips import fit  # noqa: PLC0415

        _refuse(model, name)
        with screen.status(f"building an untrained {name} for {chip}"):
            fit.refuse(model, name, described)

    return check


def _warn(model: nn.Module, name: str) -> None:
    try:
        _refuse(model, name)
    except HalfbyteError as error:
        screen.print(f"note: this network trains, but cannot be exported: {error}", markup=False, soft_wrap=True)


def _train(
    name: str,
    out: Path | None,
    seed: int | None,
    sets: list[str],
    resume: bool,
    check: Callable[[nn.Module, str], None],
) -> Path:
    from training import loop, plots  # noqa: PLC0415
    from training.recipe import load_recipe  # noqa: PLC0415

    overrides = [*sets, *([] if seed is None else [f"train.seed={seed}"])]
    recipe = load_recipe(name, overrides)
    folder = out or Path("runs") / f"{recipe.name}-s{recipe.train.seed}"
    check_folder(folder, resume)
    label = f"{recipe.name} seed {recipe.train.seed}"
    with new_folder(folder), training_bar(label, recipe.train.epochs) as progress:
        command = _command(name, sets, recipe)
        model = loop.train(
            recipe, folder, command=command, resume=resume, check=lambda m: check(m, recipe.name), progress=progress
        )
    plots.plot_run(folder, model)
    return folder


def _command(name: str, sets: list[str], recipe: Recipe) -> str:
    """What makes the run again, without the folder it went to."""
    words = ["halfbyte", "run", name, "--seed", str(recipe.train.seed)]
    for setting in sets:
        words += ["--set", setting]
    return shlex.join(words)


def _export(folder: Path, plan: str = "auto", optimize: str | None = None, codec: str | None = None) -> None:
    from exporter import runs  # noqa: PLC0415

    exported = runs.export_run(folder, plan, optimize, codec)
    graph = exported.graph
    screen.print(
        f"{folder}: exported {graph.weight_bytes:,} bytes of constants, {exported.plan.arena_bytes:,} of arena, "
        f"to c/{graph.name}.h and c/{graph.name}.c",
        highlight=False,
        soft_wrap=True,
    )


def _verify(folder: Path, images: str, random: int, variant: str = "portable") -> Report:
    from exporter import runs  # noqa: PLC0415

    if images != "all" and not images.isdecimal():
        raise HalfbyteError(f"--images {images}: expected a number, or all")
    with screen.status("loading") as status:
        return runs.verify_run(folder, None if images == "all" else int(images), random, status.update, variant)


def _finish(report: Report, folder: Path, as_json: bool) -> None:
    """Print a verification, keep the report of the run, and exit with 1 on a mismatch."""
    from exporter.report import write_report  # noqa: PLC0415

    if as_json:
        print(json.dumps(report.to_json()))
    else:
        _print_report(report)
    if report.first is not None:
        screen.print(f"first difference: {report.first}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    if report.accuracy is not None:
        write_report(folder)


def _print_report(report: Report) -> None:
    table = Table(box=None)
    for column, justify in (
        ("layer", "left"),
        ("op", "left"),
        ("format", "left"),
        ("bytes", "right"),
        ("differ", "right"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for layer in report.layers:
        table.add_row(layer.name, layer.op, layer.format, f"{layer.weight_bytes:,}", str(layer.mismatches))
    console = _paper()
    console.print(table)
    if report.accuracy is None:
        said = (
            f"{report.random} random samples, {report.mismatches} integers differ between C and NumPy; "
            "PyTorch is not compared, there is no checkpoint: in Python, exported.verify(x) does"
        )
    else:
        said = (
            f"{report.images:,} test images and {report.random} random ones, {report.mismatches} integers differ; "
            f"accuracy {report.accuracy:.2f} % with {report.weight_bytes:,} bytes"
        )
    console.print(f"{report.name}: {said}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
