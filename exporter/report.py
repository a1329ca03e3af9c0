# SPDX-License-Identifier: Apache-2.0
"""What a run is: layers, bits, bytes, bounds, accuracy; as data, as a table in the terminal, as report.md."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from exporter import planview
from exporter.bounds import find_bounds
from exporter.chips.chip import load_chip
from exporter.chips.storing import CORE, ways
from exporter.export import prepare
from exporter.graph import load_graph, read_graph
from exporter.plan import read_plan
from exporter.runs import is_bare, load_run, read_verified
from training.files import write_text
from training.formats import get_format
from training.plots import plot_plan

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.bounds import Bounds
    from exporter.graph import Graph, Node

COLUMNS = ("name", "op", "format", "bits", "shape", "weights", "bytes", "lo", "hi")


def describe(folder: Path) -> dict[str, Any]:
    """Everything `halfbyte show` tells about a run folder, a shipped model, or what `export` wrote without a run.

    The last has no "about", "data", "command", "epoch" and "validation_accuracy": they are None.
    """
    run = None if is_bare(folder) else load_run(folder)
    if run is None:
        graph = load_graph(folder)
        bounds, plan = find_bounds(graph), read_plan(folder / "plan.json", graph)
    else:
        graph, _, bounds, plan = prepare(run.model, run.name)
        written = folder / "plan.json"
        if written.is_file():
            graph = graph.with_kernels(read_graph(folder / "graph.json").kernels)
            plan = read_plan(written, graph)
    layers = [_describe_layer(node, graph, bounds) for node in graph.nodes]
    return {
        "name": run.recipe.name if run else graph.name,
        "about": run and run.recipe.about,
        "data": run and run.recipe.data,
        "command": run and run.command,
        "digest": graph.digest,
        "weights": sum(layer["weights"] for layer in layers),
        "weight_bytes": graph.weight_bytes,
        "arena_bytes": plan.arena_bytes,
        "input_bytes": int(np.prod(next(graph.shapes[n.inputs[0]] for n in graph.nodes if not n.op.raw))),
        "epoch": run and run.metadata["epoch"],
        "validation_accuracy": run and run.metadata["validation_accuracy"],
        "verified": _verified(folder, graph.digest),
        "layers": layers,
        "ways": {name: [asdict(way) for way in found] for name, found in ways(graph, load_chip(CORE)).items()},
        "plan": planview.to_json(graph, plan),
    }


def _describe_layer(node: Node, graph: Graph, bounds: Bounds) -> dict[str, Any]:
    interval = bounds[node.name]
    name = node.op.format_name()
    weights = next((table.count for table in node.tables() if table.suffix == "w"), 0)
    return {
        "name": node.name,
        "op": node.op.kind,
        "format": name,
        "bits": get_format(name).bits if weights else None,
        "shape": list(graph.shapes[node.name]),
        "weights": weights,
        "bytes": sum(table.nbytes for table in node.tables()),
        "lo": int(interval.lo.min()),
        "hi": int(interval.hi.max()),
    }


def _verified(folder: Path, digest: str) -> dict[str, Any] | None:
    record = read_verified(folder, digest)
    return record and {key: record[key] for key in ("images", "random", "mismatches", "accuracy")}


def layer_table(description: dict[str, Any]) -> Table:
    """The layers, for the terminal."""
    title = ": ".join(filter(None, (description["name"], description["about"])))
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    columns = [column for column in COLUMNS if column != "weights"]  # 80 columns are enough for the rest
    for column in columns:
        left = column in ("name", "op", "format", "shape")
        table.add_column(column, justify="left" if left else "right", no_wrap=left)
    for layer in description["layers"]:
        table.add_row(*(_cell(layer[column]) for column in columns))
    return table


def summary(description: dict[str, Any]) -> list[str]:
    """The totals, a line each."""
    verified = description["verified"]
    lines = [
        f"weights      {description['weights']:,} in {description['weight_bytes']:,} bytes of constants",
        f"RAM          {description['input_bytes']:,} bytes of input, {description['arena_bytes']:,} of arena",
    ]
    if description["command"] is None:
        return [*lines, "exported     without a recipe and a checkpoint", f"network      {description['digest']}"]
    lines.append(f"validation   {description['validation_accuracy']:.2f} % at epoch {description['epoch']}")
    if verified:
        lines.append(f"test         {verified['accuracy']:.2f} % of {verified['images']:,} images, by the C")
        lines.append(
            f"verified     every integer of {verified['images']:,} test images and {verified['random']} random ones"
        )
    else:
        lines.append("verified     not yet: halfbyte verify")
    return [*lines, f"network      {description['digest']}", f"made by      {description['command']}"]


def write_report(folder: Path) -> dict[str, Any]:
    """Write report.md and plan.png into a run folder; the contents of the report as data."""
    description = describe(folder)
    rows = [COLUMNS, tuple("-" * 3 for _ in COLUMNS)]
    rows += [tuple(_cell(layer[column]) for column in COLUMNS) for layer in description["layers"]]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    facts = "\n".join(f"    {line}" for line in summary(description))
    plan = "\n".join(f"    {line}" for line in planview.group_lines(description["plan"]))
    about = f"{description['about']}\n\n" if description["about"] else ""
    text = f"# {description['name']}\n\n{about}{facts}\n\n{table}\n\n{plan}\n"
    write_text(folder / "report.md", text)
    plot_plan(folder / "plan.png", description["name"], description["plan"])
    return description


def _cell(value: Any) -> str:  # noqa: ANN401 (a number, a text, a shape or nothing)
    if value is None:
        return "-"
    if isinstance(value, list):
        return " x ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
