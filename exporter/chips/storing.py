# SPDX-License-Identifier: Apache-2.0
"""How each tensor is stored on a chip: bytes of constants and kernels against instructions, by what was measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.chips import choice
from exporter.chips.choice import AUTO, first_choice, key, layer_of, variants_of
from exporter.chips.products import by_layer
from exporter.codecs import CODECS
from exporter.coding import SPEED
from exporter.graph import KERNELS
from exporter.variants import PORTABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from exporter.chips.chip import Chip
    from exporter.chips.choice import Cost
    from exporter.graph import Graph, Node

CORE = "stm32g030"  # whose costs stand for those of all chips, where none is asked about
LIKE = "armv6m"  # the instruction set whose costs stand for those of one that was not measured


@dataclass(frozen=True)
class Need:
    """Of a tensor with a kernel, or a codec: bytes of its constants and of the kernel's code, and instructions."""

    kernel: str
    table: int
    code: int
    instructions: float


Needs = dict[str, dict[str, Need]]  # operation -> variant or codec -> what it needs
Stored = dict[str, str]  # operation -> variant or codec


@dataclass(frozen=True)
class Totals:
    """Bytes and instructions of tensors that are stored in some way; kernels that several have are there once."""

    bytes: int
    instructions: float


def needs(graph: Graph, chip: Chip, variant: str = AUTO, codecs: Iterable[str] = tuple(CODECS)) -> Needs:
    """What each tensor of weights can have on a chip, with these codecs; empty where nothing was measured of it."""
    known = choice.costs().get(chip.isa) or choice.costs().get(LIKE, {})
    products = by_layer(graph)
    found: Needs = {}
    for node in graph.nodes:
        if node.name not in products:
            continue
        names = [*variants_of(node, chip, variant), *(name for name in codecs if CODECS[name].serves(node.op))]
        names += [node.variant.name] if node.variant else []
        can = {name: _need(graph, node, name, products[node.name], known) for name in dict.fromkeys(names)}
        found[node.name] = {name: need for name, need in can.items() if need is not None}
    return found


def _need(graph: Graph, node: Node, name: str, products: int, known: Mapping[str, Cost]) -> Need | None:
    """None where it was not measured, or where the network cannot have it there."""
    if name != PORTABLE and graph.with_kernels({node.name: name}).kernels.get(node.name) != name:
        return None
    node = replace(node, variant=KERNELS.get(name))
    cost = known.get(key(layer_of(node), node.kernel()))
    if cost is None:
        return None
    table = next(table for table in node.tables() if table.suffix == "w")
    steps = CODECS[name].steps(node.op.w) / table.count if name in CODECS else 1  # type: ignore[attr-defined]
    return Need(node.kernel(), table.nbytes, cost.bytes, cost.instructions * steps * products)


def totals(can: Needs, stored: Stored) -> Totals:
    """Of all tensors whose needs are known as they are stored."""
    chosen = [can[name][how] for name, how in stored.items()]
    code = {need.kernel: need.code for need in chosen}
    return Totals(sum(need.table for need in chosen) + sum(code.values()), sum(need.instructions for need in chosen))


def store(graph: Graph, chip: Chip, optimize: str, variant: str = AUTO) -> dict[str, str]:
    """Operation -> variant or codec: the fewest bytes (size), the least product of bytes and instructions (balance).

    For speed no tensor is coded, if it need not give way: codecs are never much faster than plain kernels, and an
    estimate that is off by as much would make a network slower.
    """
    first = first_choice(graph, chip, variant)
    if optimize == SPEED:
        return first
    can, stored = _start(needs(graph, chip, variant), first)
    return _merged(graph, first, _descend(can, stored, RULES[optimize]))


def give_way(graph: Graph, chip: Chip, over: int = 1, codecs: Iterable[str] = tuple(CODECS)) -> dict[str, str] | None:
    """The kernels of a graph that is `over` bytes too large, with smaller ones or codecs; None where none is smaller.

    One after the other, until they save that much, the one that costs the fewest instructions for each byte it saves.
    """
    can, stored = _start(needs(graph, chip, AUTO, codecs), graph.kernels)
    begun = now = totals(can, stored)
    while begun.bytes - now.bytes < over:
        moves = [(then, move) for move in _moves(can, stored) if (then := totals(can, move)).bytes < now.bytes]
        if not moves:
            break
        start = now
        now, stored = min(moves, key=lambda m: (m[0].instructions - start.instructions) / (start.bytes - m[0].bytes))
    return None if now == begun else _merged(graph, graph.kernels, stored)


def _start(can: Needs, kernels: Mapping[str, str]) -> tuple[Needs, Stored]:
    """The tensors of which it is known what they need as they are."""
    now = {name: kernels.get(name, PORTABLE) for name in can}
    stored = {name: how for name, how in now.items() if how in can[name]}
    return {name: can[name] for name in stored}, stored


def _merged(graph: Graph, kernels: Mapping[str, str], stored: Stored) -> dict[str, str]:
    found = {**kernels, **stored}
    return {node.name: found[node.name] for node in graph.nodes if found.get(node.name, PORTABLE) != PORTABLE}


def _moves(can: Needs, stored: Stored) -> Iterator[Stored]:
    """Another way for one tensor, for all that have the same kernel, for all."""
    by_kernel: dict[str, list[str]] = {}
    for name, how in stored.items():
        by_kernel.setdefault(can[name][how].kernel, []).append(name)
    groups = {(name,) for name in stored} | {tuple(names) for names in by_kernel.values()} | {tuple(stored)}
    for names in sorted(groups):
        for how in dict.fromkeys(how for name in names for how in can[name]):
            moved = stored | {name: how for name in names if how in can[name]}
            if moved != stored:
                yield moved


def _descend(can: Needs, stored: Stored, rule: Callable[[Totals], float]) -> Stored:
    """Move after move that makes the rule's number smaller, the best first."""
    now = rule(totals(can, stored))
    while True:
        value, move = min(
            ((rule(totals(can, move)), move) for move in _moves(can, stored)), key=lambda m: m[0], default=(now, stored)
        )
        if value >= now:
            return stored
        now, stored = value, move


RULES: dict[str, Callable[[Totals], float]] = {
    "size": lambda found: found.bytes,
    "balance": lambda found: found.bytes * found.instructions,
}


@dataclass(frozen=True)
class Way:
    """One way to store a tensor: bytes of its constants, and instructions of an inference, half of its input 0."""

    name: str
    bytes: int
    instructions: int
    chosen: bool


def ways(graph: Graph, chip: Chip) -> dict[str, tuple[Way, ...]]:
    """What can be chosen for each tensor of weights, by what was measured of its kernels."""
    return {
        name: tuple(
            Way(how, need.table, round(need.instructions), how == graph.kernels.get(name, PORTABLE))
            for how, need in found.items()
        )
        for name, found in needs(graph, chip).items()
    }
