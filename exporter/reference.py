# SPDX-License-Identifier: Apache-2.0
"""The oracle: a graph evaluated with NumPy's 64-bit integers, one operation after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from exporter.graph import Graph


def run(graph: Graph, raw: npt.NDArray[np.integer]) -> dict[str, npt.NDArray[np.int64]]:
    """Every tensor of the network for a batch of raw samples.  # (n, *shape) -> name: (n, *its shape)"""
    tensors = {"raw": np.asarray(raw, np.int64).reshape(len(raw), *graph.shape)}
    for node in graph.nodes:
        tensors[node.name] = node.op.reference(*(tensors[name] for name in node.inputs))
    del tensors["raw"]
    return tensors
