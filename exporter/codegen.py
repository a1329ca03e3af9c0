# SPDX-License-Identifier: Apache-2.0
"""A graph with bounds and plan -> C source. Python computes, the templates place text."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from exporter.ops import Windowed
from exporter.ops.base import MAP_DIMS, SIZES
from exporter.placing import COUNTER_BYTES, ELEMENT_BYTES, up
from exporter.planecode import PlaneCode
from exporter.stagecode import Names, StageCode, call, is_sums_to_map, stage_function, sums_to_map, turns
from training.errors import HalfbyteError
from training.formats import SPEC_VERSION

if TYPE_CHECKING:
    from exporter.bounds import Bounds
    from exporter.graph import Graph, Node
    from exporter.grouping import Group
    from exporter.ops import Table
    from exporter.plan import Plan
    from exporter.stages import Stage

FIRMWARE = Path(__file__).parent.parent / "firmware"
SOURCES = {
    path.name: path for glob in ("include/*", "src/*", "codecs/*", "variants/*/*") for path in FIRMWARE.glob(glob)
}
KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int "  # noqa: SIM905
    "long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile "
    "while".split()
)


def templates(folder: Path) -> jinja2.Environment:
    """The templates of a folder; they place text, and fail on what they were not given."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


_ENV = templates(Path(__file__).parent / "templates")


@dataclass(frozen=True)
class Provenance:
    """What the head of a generated file says about where it comes from; every line may be absent.

    command   that makes the network again
    accuracy  percent of the test images, and how many there are
    verified  images whose every integer was compared
    """

    command: str = ""
    accuracy: float | None = None
    test_images: int = 0
    verified: int = 0


# words that generated code has a use for, and macros that compilers in GNU mode define
RESERVED = KEYWORDS | {
    "x",
    "scores",
    "arena",
    "raw",
    "max",
    "memcpy",
    "memset",
    "asm",
    "typeof",
    "linux",
    "unix",
    "i386",
    "vax",
}

# files named so would hide those of the C library or of halfbyte
FILES = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg stdbool stddef "  # noqa: SIM905
    "stdint stdio stdlib string tgmath time wchar wctype hb".split()
)


def check_name(name: str) -> str:
    """The name, if it is a C identifier and its files hide no others; a dash becomes an underscore."""
    name = name.replace("-", "_")
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or name in KEYWORDS:
        raise HalfbyteError(f"name '{name}' must be a C identifier: letters, digits and _, a letter first")
    lower = name.lower()
    if lower in FILES or lower.startswith("hb_") or (FIRMWARE / "include" / f"hb_{lower}.h").is_file():  # same guard
        raise HalfbyteError(f"name '{name}' would hide {name}.h or files of halfbyte; choose another")
    return name


def generate(graph: Graph, bounds: Bounds, plan: Plan, provenance: Provenance) -> dict[str, str]:
    """File name -> text: the model's header and source, and the kernel sources it uses."""
    context = _context(graph, bounds, plan, provenance)
    context["headers"] = sorted({node.variant.header for node in graph.nodes if node.variant})
    files = {f"{graph.name}.{end}": _ENV.get_template(f"model.{end}.j2").render(context) for end in ("h", "c")}
    for name in _kernels(files[f"{graph.name}.c"]):
        files[f"{name}.c"] = SOURCES[f"{name}.c"].read_text(encoding="utf-8")
    return {**files, **_headers("".join(files.values()))}


def _headers(sources: str) -> dict[str, str]:
    """File name -> text of the headers that C includes, and of those that they include."""
    found: dict[str, str] = {}
    new = sources
    while new:
        names = [name for name in re.findall(r'#include "(\w+\.h)"', new) if name in SOURCES and name not in found]
        found |= {name: SOURCES[name].read_text(encoding="utf-8") for name in names}
        new = "".join(found[name] for name in names)
    return found


def _kernels(source: str) -> list[str]:
    """Names of the kernels that C calls, and of those that they call; and of hb_argmax, which users do."""
    found: set[str] = set()
    new = {"hb_argmax"} | _called(source)
    while new:
        found |= new
        sources = [SOURCES[f"{name}.c"].read_text(encoding="utf-8") for name in new]
        new = set().union(*map(_called, sources)) - found
    return sorted(found)


def _called(source: str) -> set[str]:
    names = set(re.findall(r"\bhb_\w+(?=\()", source))
    return {name for name in names if f"{name}.c" in SOURCES}


def kernel_files() -> set[str]:
    """Names of all files of the kernel library."""
    return set(SOURCES)


def generate_host(graph: Graph, plan: Plan, trace: np.dtype[Any]) -> str:
    """The wrapper around a generated source that runs batches and records every tensor, for the host library."""
    height = _input_height(graph)
    offsets = [trace.fields[node.name][1] for node in graph.nodes]  # type: ignore[index]
    raw_type = {"uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t"}[graph.dtype]
    return _ENV.get_template("host.c.j2").render(
        name=graph.name,
        macro=f"HB_{graph.name.upper()}",
        raw_type=raw_type,
        raw_size=int(np.prod(graph.shape)),
        input_size=int(np.prod(graph.shapes[_last_raw(graph)])),
        n_scores=int(np.prod(graph.shapes[graph.nodes[-1].name])),
        arena_bytes=plan.arena_bytes,
        push_bytes=_push_bytes(graph, plan),
        height=height,
        raw_row=int(np.prod(graph.shape)) // height,
        offsets=offsets,
        trace_bytes=trace.itemsize,
    )


def _context(graph: Graph, bounds: Bounds, plan: Plan, provenance: Provenance) -> dict[str, Any]:
    ids = _identifiers(graph)
    sizes, size_of = _sizes(graph, ids)
    layers = [_layer(index, node, graph, plan, size_of, ids) for index, node in enumerate(graph.nodes)]
    raw_type = {"uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t"}[graph.dtype]
    numbers = [str(index) for index in range(len(graph.labels))]  # names that say nothing
    sums = {node.name: bounds[node.name].peak for node in graph.nodes if node.op.out_type == "int32_t"}
    names = Names(graph, plan, ids, {node.name: i for i, node in enumerate(graph.nodes)}, _last_raw(graph))
    return {
        **(_stages(names, layers) if plan.staged else {"functions": []}),
        "planes": any(group.units for group in plan.groups),
        "push_bytes": _push_bytes(graph, plan),
        "raw_row": int(np.prod(graph.shape)) // _input_height(graph),
        "height": _input_height(graph),
        "name": graph.name,
        "macro": f"HB_{graph.name.upper()}",
        "spec": SPEC_VERSION,
        "digest": graph.digest,
        "provenance": replace(provenance, command=_ascii(provenance.command)),
        "raw_type": raw_type,
        "raw_shape": " x ".join(map(str, graph.shape)),
        "raw_size": int(np.prod(graph.shape)),
        "input_size": int(np.prod(graph.shapes[_last_raw(graph)])),
        "n_scores": int(np.prod(graph.shapes[graph.nodes[-1].name])),
        "labels": [] if list(graph.labels) == numbers else [_ascii(label) for label in graph.labels],
        "weight_bytes": graph.weight_bytes,
        "arena_bytes": plan.arena_bytes,
        "sums": {ids[name].upper(): peak for name, peak in sums.items()},
        "rows": _head_table(graph, bounds),
        "sizes": {"SIZE_INPUT": sizes["SIZE_INPUT"]} if plan.staged else sizes,
        "raw_layers": [layer for layer in layers if layer["raw"]],
        "layers": [layer for layer in layers if not layer["raw"]],
    }


def _input_height(graph: Graph) -> int:
    """Rows of the map that the first layers read; 1 where they read a vector."""
    name = _last_raw(graph)
    heights = [node.op.in_shape[0] for node in graph.readers(name) if isinstance(node.op, Windowed)]
    shape = graph.shapes[name]
    return heights[0] if heights else shape[0] if len(shape) == MAP_DIMS else 1


def _push_bytes(graph: Graph, plan: Plan) -> int:
    """Of the arena where the input comes row by row: a ring of rows and a counter behind it; 0 where it cannot."""
    ring = plan.input_rows * int(np.prod(graph.shapes[_last_raw(graph)])) // _input_height(graph)
    return plan.arena_bytes + up(ring) + COUNTER_BYTES if ring else 0


def _stages(names: Names, layers: list[dict[str, Any]]) -> dict[str, Any]:
    """What templates/stages.c.j2 needs: functions of the stages, groups that take turns, and the calls of all."""
    functions, turning, calls = [], [], []
    for number, group in enumerate(names.plan.groups):
        if group.units:
            planes = [PlaneCode(names, unit, group) for unit in group.units]
            functions += [plane.function() for plane in planes]
            inner = [line for plane in planes for line in call(plane.name, plane.arguments(), 8)]
            calls.append([f"    for (size_t c = 0; c < {group.stages[-1].shape[2]}; c++) {{", *inner, "    }"])
            continue
        code = [StageCode(names, stage, group) for stage in group.stages if stage.steps]
        functions += [
            stage_function(names, stage, group)
            if stage.steps
            else _whole(names, layers[names.index[stage.name]], stage)
            for stage in group.stages
        ]
        if group.way == "rows":
            turning.append(_turning(names, group, number))
            arguments = [p.split()[-1].lstrip("*") for p in turning[-1]["parameters"].split(", ")]
            calls.append([f"    {turning[-1]['name']}({', '.join(arguments)});"])
        elif group.way == "channels":
            inner = [line for c in code for line in _row_loop(names, c, 8)]
            calls.append([f"    for (size_t c = 0; c < {group.stages[-1].shape[2]}; c++) {{", *inner, "    }"])
        elif code:
            calls.append(_row_loop(names, code[0], 4))
        else:
            parameters = functions[-1]["parameters"].split(", ")
            calls.append([f"    {functions[-1]['name']}({', '.join(p.split()[-1].lstrip('*') for p in parameters)});"])
    push = _push(names) if names.plan.input_rows else None
    return {
        "functions": functions,
        "turns": turning,
        "push": push,
        "rest": [line for lines in (calls[1:] if push else calls) for line in lines],
    }


def _row_loop(names: Names, code: StageCode, indent: int) -> list[str]:
    """Lines that make every row of a stage, one after the other."""
    arguments = code.arguments(step="y", ring=str(code.stage.height))
    head = " " * indent + f"for (uint16_t y = 0; y < {code.stage.steps}; y++) {{"
    return [head, *call(f"run_{names.of[code.stage.name]}", arguments, indent + 4), " " * indent + "}"]


def _turning(names: Names, group: Group, number: int) -> dict[str, Any]:
    reads_input = any(names.input in stage.main.inputs for stage in group.stages)
    pushed = number == 0 and names.plan.input_rows > 0
    ring = ["uint16_t x_ring", "uint16_t x_rows"] if pushed else []
    return {
        "name": f"turns_{number}",
        "parameters": ", ".join([*(["const int8_t *x"] if reads_input else []), *ring, "void *arena"]),
        "offset": names.plan.places[f"(steps) {group.stages[0].name}"].offset // COUNTER_BYTES,
        "count": len(group.stages),
        "resumes": pushed,
        "lines": turns(names, group),
    }


def _whole(names: Names, layer: dict[str, Any], stage: Stage) -> dict[str, Any]:
    """The function of a stage that one call makes."""
    node = stage.main
    found = {"name": f"run_{names.of[stage.name]}", "window": None, "comment": layer["comment"]}
    if is_sums_to_map(names, node):
        return {**found, "parameters": "void *arena", "lines": sums_to_map(names, node)}
    scores = node is names.graph.nodes[-1]
    output = "scores" if scores else names.place(stage.name, node.op.out_type)
    types = {n.name: n.op.out_type for n in names.graph.nodes}
    inputs = ["x" if name == names.input else names.place(name, types[name]) for name in node.inputs]
    n_out, n_in = (str(int(np.prod(names.graph.shapes[name]))) for name in (stage.name, node.inputs[0]))
    arguments = [a.format(n_in=n_in, n_out=n_out, **names.tables(node)) for a in node.op.arguments()]
    parameters = ["int32_t *scores"] * scores + ["const int8_t *x"] * ("x" in inputs)
    arena = not scores or any(text != "x" for text in inputs)
    lines = call(node.kernel(), [output, *inputs, *arguments], 4)
    lines += call("HB_TRACE", [str(names.index[node.name]), "0", output, n_out], 4)
    return {**found, "parameters": ", ".join([*parameters, *(["void *arena"] if arena else [])]), "lines": lines}


def _push(names: Names) -> dict[str, Any]:
    """What hb_<model>_push_row needs: the ring of input rows behind the arena, and the input rule for one row."""
    graph, plan = names.graph, names.plan
    rule, height = graph.nodes[0], _input_height(graph)
    row = int(np.prod(graph.shapes[rule.name])) // height
    arguments = [argument.format(n_out=row) for argument in rule.op.arguments()]
    return {
        "height": height,
        "row": row,
        "rows": plan.input_rows,
        "ring": plan.arena_bytes,
        "counter": (_push_bytes(graph, plan) - COUNTER_BYTES) // COUNTER_BYTES,
        "call": "\n".join(call(rule.kernel(), ["x", "raw", *arguments], 4)),
    }


def layer_functions(graph: Graph, plan: Plan) -> list[str]:
    """Names of the functions that make a stage each, in order; none where the forward pass calls kernels alone."""
    ids = _identifiers(graph)
    made = [stages[-1].name for group in plan.groups for stages in group.functions if plan.staged]
    return [f"run_{ids[name]}" for name in made]


def _ascii(text: str) -> str:
    """Text that is safe inside a C comment: one line of ASCII without backslash or trigraph."""
    text = re.sub(r"[^ -~]", lambda found: " " if found[0].isspace() else "?", text).replace("\\", "/")
    return text.replace("*/", "* /").replace("??/", "?? /")


def _identifiers(graph: Graph) -> dict[str, str]:
    """Every tensor's name as part of C identifiers, lower case; no two alike, with the tables' names among them."""
    taken: set[str] = set(RESERVED)
    found = {}
    for node in graph.nodes:
        base = re.sub(r"\W", "_", node.name.lower(), flags=re.ASCII)
        if not base[0].isalpha() or base in RESERVED or base.startswith("hb_") or base.endswith("_t"):
            base = f"l{base}_" if base.endswith("_t") else f"l{base}"
        for text in chain([base], (f"{base}_{number}" for number in count(2))):
            names = {
                text,
                f"run_{text}",
                f"{text}_window",
                f"{text}_plane",
                *(f"{text}_{table.suffix}" for table in node.tables()),
            }
            if not names & taken:
                break
        taken |= names
        found[node.name] = text
    return found


def _last_raw(graph: Graph) -> str:
    return [node.name for node in graph.nodes if node.op.raw][-1]


def _sizes(graph: Graph, ids: dict[str, str]) -> tuple[dict[str, int], dict[str, str]]:
    """Named sizes (SIZE_FC1: 64), and the name of every tensor's size; one made in place shares that of its input."""
    sizes: dict[str, int] = {}
    size_of = {"raw": "SIZE_INPUT"}  # unless a resize gives the input its size
    for node in graph.nodes:
        if node.op.in_place:  # element by element
            size_of[node.name] = size_of[node.inputs[0]]
        else:
            size_of[node.name] = "SIZE_INPUT" if node.op.raw else f"SIZE_{ids[node.name].upper()}"
        sizes[size_of[node.name]] = int(np.prod(graph.shapes[node.name]))
    return sizes, size_of


def _layer(
    index: int, node: Node, graph: Graph, plan: Plan, size_of: dict[str, str], ids: dict[str, str]
) -> dict[str, Any]:
    """What the templates need of one operation."""
    name = ids[node.name]
    tables = {table.suffix: f"{name}_{table.suffix}" for table in node.tables()}
    shape = graph.shapes[node.name]
    planes = {"n_pixels": int(np.prod(shape[:-1])), "channels": shape[-1]}
    arguments = [
        argument.format(n_in=size_of[node.inputs[0]], n_out=size_of[node.name], window="", **planes, **tables)
        for argument in node.op.arguments()
    ]
    place = plan.places.get(node.name)
    output = "x" if node.op.raw else "scores" if node is graph.nodes[-1] else name
    output = f"(uint8_t *){output}" if node.op.out_type == "uint8_t" else output
    return {
        "index": index,
        "id": name,
        "output": output,
        "raw": node.op.raw,
        "type": node.op.out_type,
        "offset": place.offset // ELEMENT_BYTES[node.op.out_type] if place else None,
        "call": "\n".join(call(node.kernel(), [output, _input_id(node, graph, ids), *arguments], 4)),
        "size": size_of[node.name],
        "tables": [_table(f"{name}_{table.suffix}", table) for table in node.tables()],
        "comment": _ascii(f"{node.name}: {node.op.kind}, {node.op.format_name()}"),
    }


def _input_id(node: Node, graph: Graph, ids: dict[str, str]) -> str:
    if node.inputs == ("raw",):
        return "raw"
    if node.op.raw:
        return "(const uint8_t *)x"
    return "x" if node.inputs[0] == _last_raw(graph) else ids[node.inputs[0]]


def _table(name: str, table: Table) -> dict[str, Any]:
    values = table.values.ravel()
    digits = 2 * SIZES[table.ctype]
    texts = [f"0x{v:0{digits}x}" if table.ctype.startswith("u") else _literal(int(v)) for v in values]
    lines = textwrap.wrap(", ".join(texts) + ",", width=76)
    return {"name": name, "ctype": table.ctype, "count": len(values), "lines": lines}


def _literal(value: int) -> str:
    """A C99 constant of that value; -2^31 cannot be written as one number."""
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def _head_table(graph: Graph, bounds: Bounds) -> list[str]:
    """The layer table of the head, as aligned lines."""
    rows = [("layer", "op", "shape", "format", "bytes", "range")]
    for node in graph.nodes:
        shapes = (" x ".join(map(str, graph.shapes[n])) for n in (node.inputs[0], node.name))
        interval = bounds[node.name]
        rows.append(
            (
                _ascii(node.name),
                node.op.kind,
                " -> ".join(shapes),
                node.op.format_name(),
                str(sum(table.nbytes for table in node.tables())),
                f"[{interval.lo.min()}, {interval.hi.max()}]",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
