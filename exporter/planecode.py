# SPDX-License-Identifier: Apache-2.0
"""The C of convolutions that run as planes: one function for each, called for one channel after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.ops import Conv, MulShift
from exporter.planes import ROWS, has_spans
from exporter.stagecode import call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.grouping import Group
    from exporter.planes import Unit
    from exporter.stagecode import Names


WEIGHTS = 9  # of an output channel


def _pixel(plane: str, y: str, x: str, width: int) -> str:
    """C expression of an activation in a plane."""
    return f"(int8_t)({plane}[{y} / 2 * {width} + {x}] >> {y} % 2 * 16 & 127)"


class PlaneCode:
    """The function of one unit, put together line by line."""

    def __init__(self, names: Names, unit: Unit, group: Group) -> None:
        self.names, self.unit, self.group = names, unit, group
        conv, requantizer = (node.op for node in unit.conv.nodes)
        assert isinstance(conv, Conv)
        assert isinstance(requantizer, MulShift)
        self.conv, self.requantizer = conv, requantizer
        self.identifier = names.of[unit.conv.main.name]
        self.name = f"run_{names.of[unit.last.name]}"
        self.first, self.ends = unit is group.units[0], unit is group.units[-1]
        self.spans = has_spans(unit, group)
        self.source = unit.conv.main.inputs[0]
        self.lines: list[str] = []

    def parameters(self) -> list[str]:
        """Of its function, in C."""
        return [*(["const int8_t *x"] if self.source == self.names.input else []), "void *arena", "size_t c"]

    def arguments(self) -> list[str]:
        """For a call of its function in the loop over the channels c."""
        return [parameter.split()[-1].lstrip("*") for parameter in self.parameters()]

    def add(self, line: str, indent: int = 4) -> None:
        self.lines.append(" " * indent + line)

    def call(self, function: str, arguments: Sequence[str], indent: int = 4) -> None:
        self.lines += call(function, arguments, indent)

    def geometry(self) -> dict[str, str]:
        """The hb_plane of the unit."""
        height, width, _ = self.unit.conv.shape
        pairs = height // ROWS if self.unit.pool else -(-height // ROWS)
        fields = (width // ROWS, pairs, self.conv.in_shape[1], self.unit.last.shape[1], int(self.unit.pool is not None))
        return {"name": f"{self.identifier}_plane", "fields": ", ".join(map(str, fields))}

    def window(self) -> dict[str, str]:
        """The hb_window by which the portable kernel reads rows of the plane."""
        fields = [*self.conv.window()[:2], 1, 1, *self.conv.window()[4:]]
        return {"name": f"{self.identifier}_window", "fields": ", ".join(map(str, fields))}

    def function(self) -> dict[str, Any]:
        """What the template needs."""
        self._input()
        self.add(f"uint32_t *const out = {self._plane(f'(made) {self.unit.last.name}')};")
        self._trace_what_is_not_there()
        self._make()
        self._trace()
        if self.ends:
            self._put_into_the_map()
        nodes = [*self.unit.conv.nodes, *(self.unit.pool.nodes if self.unit.pool else ())]
        return {
            "name": self.name,
            "parameters": ", ".join(self.parameters()),
            "window": self.window(),
            "plane": self.geometry(),
            "comment": "A channel of " + "; ".join(f"{node.name}: {node.op.kind}" for node in nodes),
            "lines": self.lines,
        }

    def _plane(self, name: str) -> str:
        return self.names.place(name, "uint32_t")

    def _make(self) -> None:
        """The call of the kernel."""
        variant = self.unit.conv.main.variant
        assert variant is not None
        self.add(f"int16_t w[{WEIGHTS}];")
        self.call(f"hb_levels_{self.conv.format}", ["w", self._weights(), str(WEIGHTS)])
        behind = [*self._constants(), str(self.requantizer.hi), f"&{self.identifier}_plane"]
        self.call(f"hb_plane_{variant.name}", ["out", "in", "spans" if self.spans else "NULL", "w", *behind])

    def _input(self) -> None:
        if not self.first:
            self.add(f"const uint32_t *const in = {self._plane(f'(made) {self.source}')};")
            return
        height, width, channels = self.conv.in_shape
        source = "x" if self.source == self.names.input else self.names.place(self.source)
        self.add(f"uint32_t *const in = {self._plane(f'(plane) {self.unit.conv.name}')};")
        for_all = channels == 1  # all channels read the same one
        indent = 8 if for_all else 4
        if self.spans:
            self.add(f"uint8_t *const spans = {self.names.place(f'(spans) {self.unit.conv.name}', 'uint8_t')};")
        if for_all:
            self.add("if (c == 0) {")
        self.call(
            "hb_zip", ["in", source if for_all else f"{source} + c", str(channels), str(width), str(height)], indent
        )
        if self.spans:
            self.call("hb_spans", ["spans", "in", f"&{self.identifier}_plane"], indent)
        if for_all:
            self.add("}")

    def _put_into_the_map(self) -> None:
        height, width, channels = self.unit.last.shape
        place = self.names.place(self.unit.last.name)
        self.call("hb_unzip", [f"{place} + c", "out", str(channels), str(width), str(height)])

    def _weights(self) -> str:
        return f"{self.names.tables(self.unit.conv.main)['w']} + c * {self.conv.row_bytes}"

    def _constants(self) -> list[str]:
        tables = self.names.tables(self.unit.conv.nodes[1])
        return [f"{tables[suffix]} + c" for suffix in "mbs"]

    def _trace_what_is_not_there(self) -> None:
        """Sums, and what is behind them but for a pooling, are nowhere in memory: the portable kernels make them."""
        conv, requantizer = self.unit.conv.nodes
        height, width, _ = self.unit.conv.shape
        self.add("if (HB_TRACED) {")
        self.add(f"int32_t sums[{width}];", 8)
        if self.unit.pool:
            self.add(f"int8_t row[{width}];", 8)
        self.add(f"for (size_t y = 0; y < {height}; y++) {{", 8)
        in_width = self.conv.in_shape[1]
        self.add(f"int8_t pixels[3][{in_width}];", 12)
        self.add("const int8_t *rows[3];", 12)
        self.add("for (size_t i = 0; i < 3; i++) {", 12)
        self.add("rows[i] = pixels[i];", 16)
        self.add(f"for (size_t j = 0; j < {in_width}; j++) {{", 16)
        self.add(f"pixels[i][j] = {_pixel('in', '(y + i)', 'j', in_width)};", 20)
        self.add("}", 16)
        self.add("}", 12)
        self.call(conv.kernel(), ["sums", "rows", self._weights(), "0", f"&{self.identifier}_window"], 12)
        at = f"(c * {height} + y) * {width}"
        self.call("HB_TRACE", [str(self.names.index[conv.name]), at, "sums", str(width)], 12)
        if self.unit.pool:
            ends = [str(self.requantizer.lo), str(self.requantizer.hi), str(width)]
            self.call("hb_mulshift_channel", ["row", "1", "sums", *self._constants(), *ends], 12)
            self.call("HB_TRACE", [str(self.names.index[requantizer.name]), at, "row", str(width)], 12)
        self.add("}", 8)
        self.add("}")

    def _trace(self) -> None:
        """What the kernel made."""
        height, width, _ = self.unit.last.shape
        self.add("if (HB_TRACED) {")
        self.add(f"for (size_t y = 0; y < {height}; y++) {{", 8)
        self.add(f"int8_t row[{width}];", 12)
        self.add(f"for (size_t i = 0; i < {width}; i++) {{", 12)
        self.add(f"row[i] = {_pixel('out', 'y', 'i', width)};", 16)
        self.add("}", 12)
        index = str(self.names.index[self.unit.last.name])
        self.call("HB_TRACE", [index, f"(c * {height} + y) * {width}", "row", str(width)], 12)
        self.add("}", 8)
        self.add("}")
