# SPDX-License-Identifier: Apache-2.0
"""The C of convolutions that run as planes: one function for each, called for one channel after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.ops import Conv, MulShift
from exporter.planes import ROWS, plane_size
from exporter.stagecode import call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.grouping import Group
    from exporter.planes import Unit
    from exporter.stagecode import Names


WEIGHTS = 9  # of an output channel


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
        self.source = unit.conv.main.inputs[0]
        index = group.units.index(unit)
        self.twos = index > 0 and group.units[index - 1].in_twos  # is its input one of two planes?
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

    @property
    def steps(self) -> tuple[int, int, int]:
        """Elements of its output from row to row of a pair, from pixel to pixel, and from pair to pair."""
        _, width, channels = self.unit.last.shape
        return (width * channels, channels, ROWS * width * channels) if self.ends else (1, ROWS, ROWS * width)

    def geometry(self) -> dict[str, str]:
        """The hb_plane of the unit."""
        height, width, _ = self.unit.conv.shape
        pairs = height // ROWS if self.unit.pool else -(-height // ROWS)
        fields = (width // ROWS * ROWS, pairs, ROWS * self.conv.in_shape[1], *self.steps)
        return {"name": f"{self.identifier}_plane", "fields": ", ".join(map(str, fields))}

    def window(self) -> dict[str, str]:
        """The hb_window by which the portable kernel reads the plane."""
        fields = [*self.conv.window()[:2], ROWS, 1, *self.conv.window()[4:]]
        return {"name": f"{self.identifier}_window", "fields": ", ".join(map(str, fields))}

    def function(self) -> dict[str, Any]:
        """What the template needs."""
        self._input()
        place = self.names.place(self.unit.last.name)
        which = " + c" if self.ends else f" + c % 2 * {self._size(self.unit)}" if self.unit.in_twos else ""
        self.add(f"int8_t *const out = {place}{which};")
        self._trace_what_is_not_there()
        self._make()
        self._trace()
        nodes = [*self.unit.conv.nodes, *(self.unit.pool.nodes if self.unit.pool else ())]
        return {
            "name": self.name,
            "parameters": ", ".join(self.parameters()),
            "window": self.window(),
            "plane": self.geometry(),
            "comment": "A channel of " + "; ".join(f"{node.name}: {node.op.kind}" for node in nodes),
            "lines": self.lines,
        }

    @staticmethod
    def _size(unit: Unit) -> int:
        return plane_size(*unit.last.shape[:2])

    def _make(self) -> None:
        """The call of the kernel; where there are planes for two channels, at the first of them."""
        variant = self.unit.conv.main.variant
        assert variant is not None
        kind = "_two" if self.unit.in_twos else "_pool" if self.unit.pool else ""
        behind = ["in", "w", *self._constants(), str(self.requantizer.hi), f"&{self.identifier}_plane"]
        indent = 8 if self.unit.in_twos else 4
        if self.unit.in_twos:
            self.add("if (c % 2 == 0) {")
            behind = [str(self._size(self.unit)), *behind]
        self.add(f"int16_t w[{WEIGHTS * (2 if self.unit.in_twos else 1)}];", indent)
        self.call(f"hb_levels_{self.conv.format}", ["w", self._weights(), str(WEIGHTS)], indent)
        if self.unit.in_twos:
            after = self._weights().replace("c *", "(c + 1) *")
            self.call(f"hb_levels_{self.conv.format}", [f"w + {WEIGHTS}", after, str(WEIGHTS)], indent)
        self.call(f"hb_plane{kind}_{variant.name}", ["out", *behind], indent)
        if self.unit.in_twos:
            self.add("}")

    def _input(self) -> None:
        if not self.first:
            which = f" + c % 2 * {plane_size(*self.conv.in_shape[:2])}" if self.twos else ""
            self.add(f"const int8_t *const in = {self.names.place(self.source)}{which};")
            return
        height, width, channels = self.conv.in_shape
        source = "x" if self.source == self.names.input else self.names.place(self.source)
        self.add(f"int8_t *const in = {self.names.place(f'(plane) {self.unit.conv.name}')};")
        if channels > 1:
            self.call("hb_zip", ["in", f"{source} + c", str(channels), str(width), str(height)])
        else:
            self.add("if (c == 0) {")
            self.call("hb_zip", ["in", source, "1", str(width), str(height)], 8)
            self.add("}")

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
        self.add("const int8_t *rows[3];", 12)
        self.add("for (size_t i = 0; i < 3; i++) {", 12)
        self.add(f"rows[i] = in + (y + i) / 2 * {ROWS * self.conv.in_shape[1]} + (y + i) % 2;", 16)
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
        lane, pixel, pair = self.steps
        self.add("if (HB_TRACED) {")
        self.add(f"for (size_t y = 0; y < {height}; y++) {{", 8)
        self.add(f"int8_t row[{width}];", 12)
        self.add(f"for (size_t i = 0; i < {width}; i++) {{", 12)
        self.add(f"row[i] = out[y / 2 * {pair} + y % 2 * {lane} + i * {pixel}];", 16)
        self.add("}", 12)
        index = str(self.names.index[self.unit.last.name])
        self.call("HB_TRACE", [index, f"(c * {height} + y) * {width}", "row", str(width)], 12)
        self.add("}", 8)
        self.add("}")
