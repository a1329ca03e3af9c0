# SPDX-License-Identifier: Apache-2.0
"""The operations of the integer graph, by the name they have in graph.json."""

from exporter.ops.add_bias import AddBias
from exporter.ops.base import Interval, Op, Shape, Table
from exporter.ops.input_shift import InputShift
from exporter.ops.linear import Linear
from exporter.ops.requant import MaxShift, MulShift, Shift
from exporter.ops.resize_area import ResizeArea

OPS: dict[str, type[Op]] = {
    cls.kind: cls for cls in (ResizeArea, InputShift, Linear, MaxShift, Shift, MulShift, AddBias)
}

__all__ = [
    "OPS", "AddBias", "InputShift", "Interval", "Linear", "MaxShift", "MulShift", "Op", "ResizeArea", "Shape", "Shift",
    "Table",
]  # fmt: skip
