# SPDX-License-Identifier: Apache-2.0
"""The C of stages that are made row by row: one function for each stage, one for each group that takes turns."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from exporter.ops import AvgPool, Concat, Conv, MaxPool, MaxShift, Op, Windowed
from exporter.ops.base import MAP_DIMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.graph import Graph, Node
    from exporter.grouping import Group
    from exporter.plan import Plan
    from exporter.stages import Stage

WIDTH = 80


@dataclass(frozen=True, eq=False)
class Names:
    """What generated C calls things.

    of     tensor -> identifier
    index  tensor -> operation number, for HB_TRACE
    input  the tensor that the caller owns
    """

    graph: Graph
    plan: Plan
    of: dict[str, str]
    index: dict[str, int]
    input: str

    def tables(self, node: Node) -> dict[str, str]:
        """Suffix -> identifier of each constant of an operation."""
        return {table.suffix: f"{self.of[node.name]}_{table.suffix}" for table in node.tables()}

    def place(self, name: str, ctype: str = "int8_t") -> str:
        """C expression of the address where something lies in the arena."""
        size = {"int8_t": 1, "uint8_t": 1, "uint16_t": 2, "int32_t": 4, "uint32_t": 4}[ctype]
        return f"({ctype} *)arena + {self.plan.places[name].offset // size}"


def call(function: str, arguments: Sequence[str], indent: int) -> list[str]:
    """A call as one statement, wrapped behind its parenthesis where it is longer than a line."""
    head = " " * indent + f"{function}("
    text = ", ".join(arguments) + ");"
    lines = textwrap.wrap(text, WIDTH - len(head), break_long_words=False, break_on_hyphens=False)
    return [head + lines[0], *(" " * len(head) + line for line in lines[1:])]


class StageCode:
    """The function of one stage, put together line by line.

    single  is only one channel of it made, number c?
    """

    def __init__(self, names: Names, stage: Stage, group: Group) -> None:
        self.names, self.stage, self.group = names, stage, group
        self.single = group.way == "channels"
        self.inner = self.single and stage is not group.stages[-1]
        self.op: Op = stage.main.op
        self.height, self.width, self.channels = stage.shape
        self.row = self.width * (1 if self.single else self.channels)
        self.lines: list[str] = []

    # -- what a stage reads -----------------------------------------------------------------------------------------

    def single_input(self) -> bool:
        """Is what it reads one channel of a map, made within the group?"""
        return self.single and self.stage is not self.group.stages[0]

    def source(self, position: int) -> tuple[str, str, str]:
        """Address, elements of a row and rows of the ring of an input."""
        name = self.stage.main.inputs[position]
        if isinstance(self.op, Windowed):
            row = self.op.in_shape[1] * (1 if self.single_input() else self.op.in_shape[2])
        else:
            row = prod(self.names.graph.shapes[name]) // self.stage.height
        if name == self.names.input:
            return "x", str(row), "x_ring" if self.names.plan.input_rows else str(self.stage.height)
        return self.names.place(name), str(row), str(self.names.plan.places[name].ring or self.stage.height)

    def row_of(self, position: int) -> str:
        """Address of row y of an input."""
        source, row, ring = self.source(position)
        if ring == str(self.stage.height):
            return f"{source} + (size_t)y * {row}"
        return f"hb_row({'(int8_t *)x' if source == 'x' else source}, {row}, {ring}, y)"

    def inputs(self) -> list[str]:
        """Address of row y of every input."""
        return [self.row_of(position) for position in range(len(self.stage.main.inputs))]

    def parameters(self) -> list[str]:
        """Of its function, in C."""
        found = []
        if self.names.input in self.stage.main.inputs:
            found += ["const int8_t *x", *(["uint16_t x_ring"] if self.names.plan.input_rows else [])]
        return [*found, "void *arena", *(["size_t c"] if self.single else []), "uint16_t y"]

    def arguments(self, *, step: str, ring: str) -> list[str]:
        """For a call of its function."""
        values = {"x": "x", "x_ring": ring, "arena": "arena", "c": "c", "y": step}
        return [values[parameter.split()[-1].lstrip("*")] for parameter in self.parameters()]

    def window(self) -> dict[str, Any] | None:
        """The hb_window of its operation."""
        pointwise = self.stage.main.by_pixel and isinstance(self.op, Conv) and self.op.pointwise
        if not isinstance(self.op, Windowed) or self.stage.is_global or pointwise:
            return None
        fields = self.op.window()
        if self.single:
            fields[3] = 1 if self.stage.one_channel else fields[3]
            fields[2] = 1 if self.single_input() else fields[2]
        return {"name": f"{self.names.of[self.stage.main.name]}_window", "fields": ", ".join(map(str, fields))}

    # -- its lines --------------------------------------------------------------------------------------------------

    def add(self, line: str, indent: int = 4) -> None:
        self.lines.append(" " * indent + line)

    def call(self, function: str, arguments: Sequence[str], indent: int = 4) -> None:
        self.lines += call(function, arguments, indent)

    def trace(self, node: Node, first: str, pointer: str, count: str, indent: int = 4) -> None:
        self.call("HB_TRACE", [str(self.names.index[node.name]), first, pointer, count], indent)

    def trace_row(self, node: Node) -> None:
        """An output row has been written; in a group of channels, of channel c."""
        row = f"(size_t){self.y()} * {self.row}"
        self.trace(node, f"c * {self.height * self.width} + {row}" if self.single else row, "out", str(self.row))

    def y(self) -> str:
        """The output row."""
        return "0" if self.stage.is_global else "y"

    def output(self) -> None:
        """`out`: where the row goes."""
        name = self.stage.name
        if self.single and not self.inner:
            self.add(f"int8_t *const out = {self.names.place(f'(row) {name}')};")
            return
        place = self.names.plan.places[name]
        if self.stage.is_global:
            self.add(f"int8_t *const out = {self.names.place(name)};")
        elif place.ring:
            self.call("int8_t *const out = hb_row", [self.names.place(name), str(self.row), str(place.ring), "y"])
        else:
            self.add(f"int8_t *const out = {self.names.place(name)} + (size_t)y * {self.row};")

    def rows(self) -> None:
        """`rows`: what the window reads."""
        assert isinstance(self.op, Windowed)
        source, row, ring = self.source(0)
        stride, first, count = self.stage.reach
        begin = f"y * {stride}" if stride > 1 else "y"
        begin = f"(int16_t)({begin} - {-first})" if first else f"(int16_t)({begin})"
        self.add(f"const int8_t *rows[{count}];")
        self.call("hb_rows", ["rows", source, row, ring, begin, str(count), str(self.op.in_shape[0])])

    def behind(self, nodes: Sequence[Node]) -> None:
        """What changes the row in place."""
        for node in nodes:
            arguments = [a.format(n_out=self.row, **self.names.tables(node)) for a in node.op.arguments()]
            self.call(node.kernel(), ["out", "out", *arguments])
            self.trace_row(node)

    def finish(self) -> dict[str, Any]:
        """What the template needs."""
        if self.single and not self.inner:
            last = f"{self.names.place(self.stage.name)} + (size_t){self.y()} * {self.width * self.channels} + c"
            self.add(f"int8_t *to = {last};")
            self.add(f"for (size_t i = 0; i < {self.width}; i++, to += {self.channels}) {{")
            self.add("*to = out[i];", 8)
            self.add("}")
        what = "; ".join(_describe(node) for node in self.stage.nodes)
        return {
            "name": f"run_{self.names.of[self.stage.name]}",
            "parameters": ", ".join(self.parameters()),
            "window": self.window(),
            "comment": f"{'A row of a channel' if self.single else 'A row'} of {what}",
            "lines": self.lines,
        }


def _describe(node: Node) -> str:
    fmt = node.op.format_name()
    return f"{node.name}: {node.op.kind}" + ("" if fmt == "-" else f" {fmt}")


def stage_function(names: Names, stage: Stage, group: Group) -> dict[str, Any]:
    """The function that makes a row of a stage."""
    code = StageCode(names, stage, group)
    _WRITERS.get(type(stage.main.op), _elementwise)(code)
    return code.finish()


def _conv(code: StageCode) -> None:
    op, stage, names = code.op, code.stage, code.names
    assert isinstance(op, Conv)
    if stage.main.by_pixel:
        _conv_by_pixel(code, op)
        return
    tables = names.tables(stage.main)
    kernel = stage.main.kernel()
    code.rows()
    if stage.sums:
        row = f"(size_t)y * {op.out_channels}"
        code.add(f"int32_t *sums = {names.place(stage.name, 'int32_t')} + {row} * {code.width};")
    else:
        code.add(f"int32_t *const sums = {names.place(f'(sums) {stage.name}', 'int32_t')};")
        code.output()
    window = f"&{names.of[stage.main.name]}_window"
    if code.single:
        first = "c" if op.depthwise and not code.single_input() else "0"
        code.call(kernel, ["sums", "rows", f"{tables['w']} + c * {op.row_bytes}", first, window])
        code.trace(stage.main, f"(c * {code.height} + y) * {code.width}", "sums", str(code.width))
        _requantize(code, "c", "1", 4)
    else:
        indent = _loop_over_channels(code, op)
        first = _first_channel(op)
        code.call(kernel, ["sums", "rows", f"{tables['w']} + o * {op.row_bytes}", first, window], indent)
        sums = f"((size_t)y * {op.out_channels} + o) * {code.width}"
        code.trace(stage.main, sums, "sums", str(code.width), indent)
        if stage.sums:
            code.add(f"sums += {code.width};", indent)
        else:
            _requantize(code, "o", str(op.out_channels), indent)
        code.add("}")
    if not stage.sums:
        code.trace_row(stage.nodes[1])
        code.behind(stage.nodes[2:])


def _conv_by_pixel(code: StageCode, op: Conv) -> None:
    """All channels of a pixel at once: its window as a vector, and a linear kernel."""
    stage, names = code.stage, code.names
    conv, n_in = stage.main, op.w.shape[1]
    code.rows()
    sums = names.place(stage.name if stage.sums else f"(sums) {stage.name}", "int32_t")
    if stage.sums:
        code.add(f"int32_t *sums = {sums} + (size_t)y * {code.row};")
    else:
        code.add(f"int32_t *const sums = {sums};")
        code.output()
    patch = "patch"
    if op.pointwise:
        patch = f"rows[0] + p * {op.stride[1] * op.channels}" if op.stride[1] > 1 else f"rows[0] + p * {op.channels}"
    else:
        code.add(f"int8_t *const patch = {names.place(f'(patch) {stage.name}')};")
        code.add(f"int16_t first = {-op.padding[1]};")
    step = "" if op.pointwise else f", first = (int16_t)(first + {op.stride[1]})"
    code.add(f"for (size_t p = 0; p < {code.width}; p++{step}) {{")
    if not op.pointwise:
        code.call("hb_patch", ["patch", "rows", "first", f"&{names.of[conv.name]}_window"], 8)
    code.call(conv.kernel(), ["sums", patch, names.tables(conv)["w"], str(n_in), str(op.out_channels)], 8)
    code.trace(conv, f"((size_t)y * {code.width} + p) * {op.out_channels}", "sums", str(op.out_channels), 8)
    if stage.sums:
        code.add(f"sums += {op.out_channels};", 8)
    else:
        node = stage.nodes[1]
        arguments = [a.format(n_out=op.out_channels, **names.tables(node)) for a in node.op.arguments()]
        code.call(node.kernel(), [f"out + p * {op.out_channels}", "sums", *arguments], 8)
    code.add("}")
    if not stage.sums:
        code.trace_row(stage.nodes[1])
        code.behind(stage.nodes[2:])


def _loop_over_channels(code: StageCode, op: Conv) -> int:
    """Open a loop over the output channels o, and their groups g where those are neither one nor as many."""
    if op.groups in (1, op.out_channels):
        code.add(f"for (size_t o = 0; o < {op.out_channels}; o++) {{")
        return 8
    per_group = op.out_channels // op.groups
    code.add(f"for (size_t o = 0, g = 0, end = {per_group}; o < {op.out_channels}; o++) {{")
    code.add("if (o == end) {", 8)
    code.add("g++;", 12)
    code.add(f"end += {per_group};", 12)
    code.add("}", 8)
    return 8


def _first_channel(op: Conv) -> str:
    """C expression of the first input channel that output channel o, of group g, reads."""
    if op.groups == 1:
        return "0"
    group = "o" if op.groups == op.out_channels else "g"
    return group if op.channels == 1 else f"{group} * {op.channels}"


def _requantize(code: StageCode, channel: str, step: str, indent: int) -> None:
    node = code.stage.nodes[1]
    arguments = [a.format(o=channel, **code.names.tables(node)) for a in node.op.channel_arguments()]
    out = "out" if step == "1" else f"out + {channel}"
    code.call(node.channel_kernel(), [out, step, "sums", *arguments, str(code.width)], indent)


def _pool(code: StageCode) -> None:
    code.rows()
    code.output()
    arguments = [a.format(window=f"{code.names.of[code.stage.main.name]}_window") for a in code.op.arguments()]
    code.call(code.stage.main.kernel(), ["out", "rows", *arguments])
    code.trace_row(code.stage.main)
    code.behind(code.stage.nodes[1:])


def _average(code: StageCode) -> None:
    if not code.stage.is_global:
        _pool(code)
        return
    op, stage = code.op, code.stage
    assert isinstance(op, AvgPool)
    height, width, _ = op.in_shape
    channels = str(1 if code.single_input() else code.channels)
    code.add(f"int32_t *const sums = {code.names.place(f'(sums) {stage.name}', 'int32_t')};")
    code.add("if (y == 0) {")
    code.add(f"for (size_t i = 0; i < {channels}; i++) {{", 8)
    code.add("sums[i] = 0;", 12)
    code.add("}", 8)
    code.add("}")
    code.call("hb_sum_row", ["sums", *code.inputs(), str(width), channels])
    if height > 1:
        code.add(f"if (y < {height - 1}) {{")
        code.add("return;", 8)
        code.add("}")
    code.output()
    code.call(op.by_area("hb_average"), ["out", "sums", *op.constants(), channels])
    code.trace_row(stage.main)
    code.behind(stage.nodes[1:])


def _concat(code: StageCode) -> None:
    op, names = code.op, code.names
    assert isinstance(op, Concat)
    code.output()
    first = 0
    tables = names.tables(code.stage.main)
    for position, at in enumerate(code.inputs()):
        channels = int(code.source(position)[1]) // code.width  # of a vector that is a map of one channel, 1
        scale = [f"{tables['m']}[{position}]", str(op.s), str(op.lo), str(op.hi)]
        code.call("hb_concat", [f"out + {first}", str(code.channels), at, *scale, str(code.width), str(channels)])
        first += channels
    code.trace_row(code.stage.main)
    code.behind(code.stage.nodes[1:])


def _elementwise(code: StageCode) -> None:
    node = code.stage.main
    code.output()
    arguments = [a.format(n_out=code.row, **code.names.tables(node)) for a in node.op.arguments()]
    code.call(node.kernel(), ["out", *code.inputs(), *arguments])
    code.trace_row(node)
    code.behind(code.stage.nodes[1:])


_WRITERS: dict[type[Op], Callable[[StageCode], None]] = {
    Conv: _conv,
    AvgPool: _average,
    Concat: _concat,
    MaxPool: _pool,
}


def sums_to_map(names: Names, node: Node) -> list[str]:
    """Lines of a maxshift behind a convolution: its sums lie in memory by rows, channels and pixels."""
    op = node.op
    assert isinstance(op, MaxShift)
    height, width, channels = names.graph.shapes[node.name]
    ends = [str(op.lo), str(op.hi)]
    lines = [
        f"    const int32_t *sums = {names.place(node.inputs[0], 'int32_t')};",
        f"    int8_t *out = {names.place(node.name)};",
        *call("const uint8_t s = hb_maxshift_exponent", ["sums", *ends, str(height * width * channels)], 4),
        f"    for (size_t y = 0; y < {height}; y++, out += {(width - 1) * channels}) {{",
        f"        for (size_t o = 0; o < {channels}; o++, out++, sums += {width}) {{",
        *call("hb_shift_channel", ["out", str(channels), "sums", "0", "s", *ends, str(width)], 12),
        "        }",
        "    }",
    ]
    return [
        *lines,
        *call(
            "HB_TRACE", [str(names.index[node.name]), "0", names.place(node.name), str(height * width * channels)], 4
        ),
    ]


def is_sums_to_map(names: Names, node: Node) -> bool:
    """Is it a maxshift behind a convolution that makes one channel after the other?"""
    if not isinstance(node.op, MaxShift) or len(names.graph.shapes[node.name]) != MAP_DIMS:
        return False
    return not next(maker for maker in names.graph.nodes if maker.name == node.inputs[0]).by_pixel


def turns(names: Names, group: Group) -> list[str]:
    """Lines of a group that takes turns: who can make a row makes it, until nobody can."""
    lines = []
    for index, stage in enumerate(group.stages):
        ready = " &&\n            ".join(_ready(names, group, stage, index, name) for name in stage.main.inputs)
        code = StageCode(names, stage, group)
        lines += [f"        if ({ready}) {{"]
        arguments = code.arguments(step=f"steps[{index}]", ring="x_ring")
        lines += call(f"run_{names.of[stage.name]}", arguments, 12)
        lines += [f"            steps[{index}]++;", "            busy = 1;", "        }"]
    return lines


def _ready(names: Names, group: Group, stage: Stage, index: int, name: str) -> str:
    """C condition: are the rows of an input there for the next step?"""
    stride, first, count = stage.reach
    inside = {s.name: f"steps[{i}]" for i, s in enumerate(group.stages)}
    there = "x_rows" if name == names.input and names.plan.input_rows else str(stage.height)
    numbers = [str(n) for n in (stage.steps, stride, count, -first, stage.height)]
    return f"hb_ready(steps[{index}], {inside.get(name, there)}, {', '.join(numbers)})"
