# SPDX-License-Identifier: Apache-2.0
"""The results table: recipes times seeds, run side by side, resumable, written as JSON and into README."""

from __future__ import annotations

import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from training.errors import HalfbyteError
from training.files import write_text
from training.recipe import load_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SHIPPED = ("recipe.toml", "curves.csv", "checkpoint.safetensors", "graph.json", "bounds.json", "plan.json")
SHIPPED_TOO = ("verified.json", "report.md", "curves.png", "weights.png")
BEGIN, END = "<!-- results: made by `halfbyte results` -->", "<!-- end of results -->"


def run_all(name: str, seeds: list[int], folder: Path, jobs: int) -> Iterator[Path]:
    """Train, export and verify a recipe with every seed; finished runs are kept. Yields finished run folders."""
    commands = [(["run", name, "--seed", str(seed)], folder / f"{name}-s{seed}") for seed in seeds]
    yield from _finish_all(commands, jobs)


def prune_all(recipe: str, options: list[str], seeds: list[int], folder: Path, jobs: int) -> Iterator[Path]:
    """The same for what `halfbyte prune` makes of a recipe's finished runs, with these options."""
    name = pruned_name(recipe)
    options = [*options, "--set", f"name={name}"]
    commands = [
        (["prune", str(folder / f"{recipe}-s{seed}"), *options, "--seed", str(seed)], folder / f"{name}-s{seed}")
        for seed in seeds
    ]
    yield from _finish_all(commands, jobs)


def pruned_name(recipe: str) -> str:
    """What a recipe's network is called behind `halfbyte prune`, in the table and in C."""
    return f"{recipe}-pruned"


def _finish_all(commands: list[tuple[list[str], Path]], jobs: int) -> Iterator[Path]:
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda command: finish(*command), commands)


def finish(words: Sequence[str], run: Path) -> Path:
    """Run `halfbyte <words> --out <run>`, or go on with it, then export and verify; what is finished is kept.

    HalfbyteError says what the command said.
    """
    begun, trained = (run / "resume.safetensors").is_file(), (run / "checkpoint.safetensors").is_file()
    if begun or not trained:
        _call([*words, "--out", str(run), *(["--resume"] if begun else [])])
    if not (run / "verified.json").is_file():
        _call(["export", str(run)])
        _call(["verify", str(run)])
    return run


def _call(words: Sequence[str]) -> None:
    command = [sys.executable, "-m", "halfbyte.cli", *words]
    env = {**os.environ, "COLUMNS": "200"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=env)  # noqa: S603 (our own command)
    if result.returncode:
        said = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        raise HalfbyteError(f"halfbyte {' '.join(words)}: {said[-1].removeprefix('halfbyte: ')}")


def summarize(name: str, seeds: list[int], folder: Path, command: str) -> dict[str, Any]:
    """One row of the table, from the files of a recipe's finished runs, and the command that makes it.

    Bytes are the mean of the seeds where they differ: what is coded, compressed or pruned has as many as it needs.
    """
    runs = [folder / f"{name}-s{seed}" for seed in seeds]
    recipe = load_recipe(runs[0] / "recipe.toml")
    verified = [json.loads((run / "verified.json").read_text(encoding="utf-8")) for run in runs]
    validation = [best_validation(run) for run in runs]
    accuracy = [record["accuracy"] for record in verified]
    return {
        "recipe": name,
        "layers": recipe.model.short,
        "format": recipe.model.format,
        "weight_bytes": round(statistics.mean(record["weight_bytes"] for record in verified)),
        "arena_bytes": json.loads((runs[0] / "plan.json").read_text(encoding="utf-8"))["arena_bytes"],
        "seeds": seeds,
        "accuracy": accuracy,
        "mean": round(statistics.mean(accuracy), 3),
        "deviation": round(statistics.stdev(accuracy), 3) if len(accuracy) > 1 else None,
        "validation": validation,
        "images": verified[0]["images"],
        "mismatches": sum(record["mismatches"] for record in verified),
        "training_seconds": [_training_seconds(run) for run in runs],
        "command": command,
    }


def _curves(run: Path) -> list[dict[str, str]]:
    with (run / "curves.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def best_validation(run: Path) -> float:
    """Validation accuracy of the epoch that was kept, percent."""
    return max(float(row["validation_accuracy"]) for row in _curves(run))


def _training_seconds(run: Path) -> int:
    return round(sum(float(row["seconds"]) for row in _curves(run)))


def ship(row: dict[str, Any], folder: Path, models: Path) -> Path:
    """Copy the seed with the best validation accuracy (of equals, the first) to models/<recipe>/."""
    best = max(range(len(row["seeds"])), key=lambda i: row["validation"][i])
    source, target = folder / f"{row['recipe']}-s{row['seeds'][best]}", models / row["recipe"]
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source / "c", target / "c")
    for name in SHIPPED + SHIPPED_TOO:
        shutil.copyfile(source / name, target / name)
    return target


def write_results(rows: list[dict[str, Any]], path: Path, readme: Path) -> None:
    """Merge rows into results.json, by recipe, and the whole table into README between its two marks."""
    known = {row["recipe"]: row for row in json.loads(path.read_text(encoding="utf-8"))} if path.is_file() else {}
    known |= {row["recipe"]: row for row in rows}
    ordered = sorted(known.values(), key=lambda row: (row["recipe"].split("-")[0] != "mnist", -row["mean"]))
    write_text(path, json.dumps(ordered, indent=1) + "\n")
    if readme.is_file() and BEGIN in (text := readme.read_text(encoding="utf-8")):
        before, _, rest = text.partition(BEGIN)
        write_text(readme, f"{before}{BEGIN}\n{markdown(ordered)}\n{END}{rest.partition(END)[2]}")


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table as README has it."""
    lines = [
        "| recipe | hidden layers | weights | accuracy, % | constants, bytes | scratch RAM, bytes |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        spread = f" ± {row['deviation']:.2f}" if row["deviation"] is not None else ""
        lines.append(
            f"| {row['recipe']} | {row['layers']} | {row['format']} | {row['mean']:.2f}{spread} | "
            f"{row['weight_bytes']:,} | {row['arena_bytes']} |"
        )
    return "\n".join(lines)
