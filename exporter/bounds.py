# SPDX-License-Identifier: Apache-2.0
"""The overflow certificate: the interval of every channel of every operation, for every possible input (SPEC 6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from exporter.ops import Interval
from exporter.ops.base import by_channel
from training.formats import RAW_TYPES, SPEC_VERSION

if TYPE_CHECKING:
    from exporter.graph import Graph

Bounds = dict[str, Interval]


def find_bounds(graph: Graph) -> Bounds:
    """Interval of every tensor; HalfbyteError naming layer, channel and bound where 32 bits could be left."""
    lo, hi = RAW_TYPES[graph.dtype]
    bounds = {"raw": Interval(np.full(graph.shape, lo, np.int64), np.full(graph.shape, hi, np.int64))}
    for node in graph.nodes:
        bounds[node.name] = node.op.interval(*(bounds[name] for name in node.inputs), node.name)
    del bounds["raw"]
    return bounds


def to_json(graph: Graph, bounds: Bounds) -> str:
    """One tensor to a line: its largest absolute value, and the ends of every channel."""
    lines = []
    for name, interval in bounds.items():
        channels = [by_channel(v) for v in (interval.lo, interval.hi)]
        record = {"peak": interval.peak, "lo": channels[0].min(1).tolist(), "hi": channels[1].max(1).tolist()}
        lines.append(f" {json.dumps(name)}: {json.dumps(record, separators=(',', ':'))}")
    head = f' "spec": {SPEC_VERSION},\n "digest": "{graph.digest}",\n'
    return "{\n" + head + ",\n".join(lines) + "\n}\n"
