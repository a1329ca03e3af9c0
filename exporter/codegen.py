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

from exporter.plan import ELEMENT_BYTES
from training.errors import HalfbyteError
from training.formats import SPEC_VERSION

if TYPE_CHECKING:
    from exporter.bounds import Bounds
    from exporter.graph import Graph, Node
    from exporter.ops import Table
    from exporter.plan import Plan

FIRMWARE = Path(__file__).parent.parent / "firmware"
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
    if name.lower() in FILES or name.lower().startswith("hb_"):
        raise HalfbyteError(f"name '{name}' would hide {name}.h or files of halfbyte; choose another")
    return name


def generate(graph: Graph, bounds: Bounds, plan: Plan, provenance: Provenance) -> dict[str, str]:
    """File name -> text: the model's header and source, and the kernel sources it uses."""
    context = _context(graph, bounds, plan, provenance)
    files = {f"{graph.name}.{end}": _ENV.get_template(f"model.{end}.j2").render(context) for end in ("h", "c")}
    for name in sorted({node.op.kernel() for node in graph.nodes} | {"hb_argmax"}):
        files[f"{name}.c"] = (FIRMWARE / "src" / f"{name}.c").read_text(encoding="utf-8")
    headers = [FIRMWARE / "include" / "hb.h", *sorted((FIRMWARE / "src").glob("*.h"))]
    sources = "".join(files.values())
    used = [h for h in headers if f'#include "{h.name}"' in sources]
    return {**files, **{h.name: h.read_text(encoding="utf-8") for h in used}}


def kernel_files() -> set[str]:
    """Names of all files of the kernel library."""
    return {path.name for folder in ("include", "src") for path in (FIRMWARE / folder).iterdir()}


def generate_host(graph: Graph, arena_bytes: int, trace: np.dtype[Any]) -> str:
    """The wrapper around a generated source that runs batches and records every tensor, for the host library."""
    offsets = [trace.fields[node.name][1] for node in graph.nodes]  # type: ignore[index]
    raw_type = {"uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t"}[graph.dtype]
    return _ENV.get_template("host.c.j2").render(
        name=graph.name,
        macro=f"HB_{graph.name.upper()}",
        raw_type=raw_type,
        raw_size=int(np.prod(graph.shape)),
        input_size=int(np.prod(graph.shapes[_last_raw(graph)])),
        n_scores=int(np.prod(graph.shapes[graph.nodes[-1].name])),
        arena_bytes=arena_bytes,
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
    return {
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
        "sizes": sizes,
        "raw_layers": [layer for layer in layers if layer["raw"]],
        "layers": [layer for layer in layers if not layer["raw"]],
    }


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
            names = {text, *(f"{text}_{table.suffix}" for table in node.op.tables())}
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
            size_of[node.name] = size_of[node.input]
        else:
            size_of[node.name] = "SIZE_INPUT" if node.op.raw else f"SIZE_{ids[node.name].upper()}"
        sizes[size_of[node.name]] = int(np.prod(graph.shapes[node.name]))
    return sizes, size_of


def _layer(
    index: int, node: Node, graph: Graph, plan: Plan, size_of: dict[str, str], ids: dict[str, str]
) -> dict[str, Any]:
    """What the templates need of one operation."""
    name = ids[node.name]
    tables = {table.suffix: f"{name}_{table.suffix}" for table in node.op.tables()}
    arguments = [
        argument.format(n_in=size_of[node.input], n_out=size_of[node.name], **tables)
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
        "call": _call(node.op.kernel(), [output, _input_id(node, graph, ids), *arguments]),
        "size": size_of[node.name],
        "tables": [_table(f"{name}_{table.suffix}", table) for table in node.op.tables()],
        "comment": _ascii(f"{node.name}: {node.op.kind}, {node.op.format_name()}"),
    }


def _input_id(node: Node, graph: Graph, ids: dict[str, str]) -> str:
    if node.input == "raw":
        return "raw"
    if node.op.raw:
        return "(const uint8_t *)x"
    return "x" if node.input == _last_raw(graph) else ids[node.input]


def _call(function: str, arguments: list[str]) -> str:
    """A call as one statement, wrapped behind its parenthesis where it is longer than a line."""
    head = f"    {function}("
    lines = textwrap.wrap(", ".join(arguments) + ");", 80 - len(head), break_long_words=False, break_on_hyphens=False)
    return head + f"\n{' ' * len(head)}".join(lines)


def _table(name: str, table: Table) -> dict[str, Any]:
    values = table.values.ravel()
    texts = [f"0x{v:02x}" for v in values] if table.ctype == "uint8_t" else [_literal(int(v)) for v in values]
    lines = textwrap.wrap(", ".join(texts) + ",", width=76)
    return {"name": name, "ctype": table.ctype, "count": len(values), "lines": lines}


def _literal(value: int) -> str:
    """A C99 constant of that value; -2^31 cannot be written as one number."""
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def _head_table(graph: Graph, bounds: Bounds) -> list[str]:
    """The layer table of the head, as aligned lines."""
    rows = [("layer", "op", "shape", "format", "bytes", "range")]
    for node in graph.nodes:
        shapes = (" x ".join(map(str, graph.shapes[n])) for n in (node.input, node.name))
        interval = bounds[node.name]
        rows.append(
            (
                _ascii(node.name),
                node.op.kind,
                " -> ".join(shapes),
                node.op.format_name(),
                str(sum(table.nbytes for table in node.op.tables())),
                f"[{interval.lo.min()}, {interval.hi.max()}]",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
