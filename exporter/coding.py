# SPDX-License-Identifier: Apache-2.0
"""Which codec the weights of each operation get (SPEC 4.6 and on): a choice of bytes against instructions."""

from __future__ import annotations

from itertools import combinations
from operator import itemgetter
from typing import TYPE_CHECKING

from exporter.codecs import CODECS, CodecError
from exporter.ops import Conv, Linear
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.graph import Graph
    from exporter.ops import Op

PLAIN = "plain"  # the codes of the format as they are: no entry of CODECS
SPEED = "speed"


def codable(op: Op) -> bool:
    """Can the weights of an operation be coded, if they fit a codec? A linear layer, or a convolution run as one."""
    return isinstance(op, Linear) or (isinstance(op, Conv) and op.groups == 1 and not op.fits_planes)


def coded(graph: Graph, optimize: str, codec: str | None = None) -> Graph:
    """The network with codecs for what it is optimized for, or with one codec for all that it can hold."""
    check_optimize(optimize)
    if codec is not None:
        return with_codec(graph, codec)
    return graph.with_kernels(graph.kernels | CHOICES[optimize](graph))


def check_optimize(optimize: str) -> None:
    """HalfbyteError where there is no such thing to optimize for."""
    if optimize not in CHOICES:
        raise HalfbyteError(f"--optimize {optimize}: expected one of {', '.join(CHOICES)}")


def with_codec(graph: Graph, name: str) -> Graph:
    """The network with this codec, or none (plain), for all weights that can be coded.

    HalfbyteError where there is no such codec, or where it cannot hold a layer.
    """
    if name == PLAIN:
        return graph.with_kernels({at: kernel for at, kernel in graph.kernels.items() if kernel not in CODECS})
    if name not in CODECS:
        raise HalfbyteError(f"--codec {name}: expected one of {', '.join((PLAIN, *CODECS))}")
    chosen = [node for node in graph.nodes if codable(node.op)]
    for node in chosen:
        try:
            CODECS[name].pack(node.op.w)  # type: ignore[attr-defined]
        except CodecError as error:
            raise HalfbyteError(f"{node.name}: codec {name} cannot hold it: {error}; leave out --codec") from None
    return graph.with_kernels(graph.kernels | {node.name: name for node in chosen})


KERNEL = 400  # bytes of a codec's kernel, about


def smallest(graph: Graph) -> dict[str, str]:
    """Operation -> codec, for the fewest bytes of streams and kernels."""
    plain = graph.with_kernels({})
    sizes = {
        node.name: {name: table.nbytes for name, codec in CODECS.items() if (table := codec.weights(node.op))}
        for node in plain.nodes
        if codable(node.op)
    }
    now = {node.name: sum(table.nbytes for table in node.tables() if table.suffix == "w") for node in plain.nodes}
    best: tuple[int, dict[str, str]] = (sum(now.values()), {})
    for count in range(1, len(CODECS) + 1):
        for allowed in combinations(CODECS, count):
            chosen = {}
            for node, found in sizes.items():
                name = min((n for n in allowed if n in found), key=found.__getitem__, default=None)
                if name and found[name] < now[node]:
                    chosen[node] = name
            total = sum(sizes[node][chosen[node]] if node in chosen else size for node, size in now.items())
            best = min(best, (total + KERNEL * len(set(chosen.values())), chosen), key=itemgetter(0))
    return best[1]


def balanced(graph: Graph) -> dict[str, str]:
    """Operation -> codec, where bytes times instructions are fewer than those of the fastest plain kernel of a core."""
    from exporter.chips.chip import load_chip  # noqa: PLC0415 (they import this file)
    from exporter.chips.storing import CORE, store  # noqa: PLC0415

    stored = store(graph.with_kernels({}), load_chip(CORE), "balance")
    return {name: how for name, how in stored.items() if how in CODECS}


CHOICES: dict[str, Callable[[Graph], dict[str, str]]] = {
    SPEED: lambda _: {},
    "size": smallest,
    "balance": balanced,
}
