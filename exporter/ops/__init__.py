# SPDX-License-Identifier: Apache-2.0
"""The operations of the integer graph, by the name they have in graph.json."""

from exporter.ops.add_bias import AddBias
from exporter.ops.base import Interval, Op, Shape, Table
from exporter.ops.conv import Conv
from exporter.ops.input_shift import InputPlanes, InputShift
from exporter.ops.linear import Linear
from exporter.ops.merge import Add, Concat
from exporter.ops.norm import LayerNorm, RMSNorm
from exporter.ops.pointwise import Clip, Lookup
from exporter.ops.pool import AvgPool, MaxPool
from exporter.ops.requant import MaxShift, MulShift, Shift
from exporter.ops.resize_area import ResizeArea
from exporter.ops.window import Windowed

OPS: dict[str, type[Op]] = {
    cls.kind: cls
    for cls in (
        *(ResizeArea, InputShift, InputPlanes),
        *(Linear, Conv, MaxShift, Shift, MulShift, AddBias),
        *(MaxPool, AvgPool, Add, Concat, Lookup, Clip, RMSNorm, LayerNorm),
    )
}

__all__ = [
    "OPS", "Add", "AddBias", "AvgPool", "Clip", "Concat", "Conv", "InputPlanes", "InputShift", "Interval", "LayerNorm",
    "Linear", "Lookup", "MaxPool", "MaxShift", "MulShift", "Op", "RMSNorm", "ResizeArea", "Shape", "Shift",
    "Table", "Windowed",
]  # fmt: skip
