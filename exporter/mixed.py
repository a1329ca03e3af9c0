# SPDX-License-Identifier: Apache-2.0
"""The best format for every layer that bytes of flash allow: least loss in all, by measured sensitivity."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from exporter.export import prepare
from training.errors import HalfbyteError
from training.layers import BitLayer
from training.recipe import check_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from exporter.graph import Graph
    from training.recipe import Recipe

MOST_FORMATS = 3  # in one image, where each brings kernels of its own


@dataclass(frozen=True)
class Option:
    """A layer in a format: bytes of its constants, and what it adds to the loss of the trained network."""

    format: str
    bytes: int
    loss: float


@dataclass(frozen=True)
class Candidates:
    """What can be chosen.

    paths   of the layers with weights, in order
    layers  what each can be
    rest    bytes of all other constants
    graphs  by format: the network with that format in every layer
    """

    paths: tuple[str, ...]
    layers: Sequence[Sequence[Option]]
    rest: int
    graphs: Mapping[str, Graph]


@dataclass(frozen=True)
class Choice:
    """A format for every layer, in order; bytes of all constants, and of the kernels where they were counted."""

    options: tuple[Option, ...]
    bytes: int

    @property
    def loss(self) -> float:
        """What is added to the loss if layers do not make each other worse."""
        return sum(option.loss for option in self.options)


def choose(layers: Sequence[Sequence[Option]], budget: int) -> Choice | None:
    """The combination of the least loss whose bytes are within the budget, exactly; None where the least are not.

    Dynamic programming over the layers: of all combinations that take as many bytes or more, only a better one is kept.
    """
    states: list[tuple[int, float, tuple[Option, ...]]] = [(0, 0.0, ())]
    for options in layers:
        longer = [(b + o.bytes, loss + o.loss, (*chosen, o)) for b, loss, chosen in states for o in options]
        longer.sort(key=lambda state: state[:2])
        states, best = [], float("inf")
        for state in longer:
            if state[0] <= budget and state[1] < best:
                best = state[1]
                states.append(state)
    return Choice(states[-1][2], states[-1][0]) if states else None


def choose_with_kernels(
    layers: Sequence[Sequence[Option]], kernels: Mapping[str, int], budget: int, most: int = MOST_FORMATS
) -> Choice | None:
    """As `choose`, of at most so many formats, where each that is used takes the bytes of its kernels, too."""
    found: list[Choice] = []
    names = sorted({option.format for options in layers for option in options})
    for count in range(1, most + 1):
        for used in combinations(names, count):
            code = sum(kernels[name] for name in used)
            allowed = [[option for option in options if option.format in used] for options in layers]
            chosen = choose(allowed, budget - code)
            if chosen is not None:
                found.append(Choice(chosen.options, chosen.bytes + code))
    return min(found, key=lambda choice: (choice.loss, choice.bytes), default=None)


def candidates(model: nn.Module, name: str, losses: Mapping[str, Mapping[str, float]]) -> Candidates:
    """Every layer in every format that was measured, with the bytes of its weights in the row layout.

    losses  by path of a layer and format: what it adds to the loss
    """
    graphs = {fmt: _lowered(model, name, fmt, losses) for fmt in sorted({f for by in losses.values() for f in by})}
    layers = [
        [Option(fmt, weights_of(graphs[fmt], path), loss) for fmt, loss in by_format.items()]
        for path, by_format in losses.items()
    ]
    rest = min(graph.weight_bytes - sum(weights_of(graph, path) for path in losses) for graph in graphs.values())
    return Candidates(tuple(losses), layers, rest, graphs)


def _lowered(model: nn.Module, name: str, fmt: str, losses: Mapping[str, Mapping[str, float]]) -> Graph:
    """The graph with every layer that can have it in this format."""
    return prepare(with_formats(model, {path: fmt for path, by in losses.items() if fmt in by}), name)[0]


def with_formats(model: nn.Module, formats: Mapping[str, str]) -> nn.Module:
    """A copy with layers in other formats, their clip scales fitted; a layer that has its format stays as it is."""
    model = copy.deepcopy(model).eval()
    for path, fmt in formats.items():
        layer = model.get_submodule(path)
        assert isinstance(layer, BitLayer)
        if layer.fmt is None or layer.fmt.name != fmt:
            layer.change_format(fmt)
    return model


def weights_of(graph: Graph, path: str) -> int:
    """Bytes of a layer's weights, by the variant that the graph has of its kernel."""
    (node,) = (node for node in graph.nodes if node.name == path)
    return sum(table.nbytes for table in node.tables())


def for_flash(found: Candidates, budget: int) -> Choice:
    """The best formats whose constants, all of the network's, take at most so many bytes.

    HalfbyteError says the nearest budget that can be met.
    """
    chosen = choose(found.layers, budget - found.rest)
    if chosen is None:
        least = sum(min(option.bytes for option in options) for options in found.layers) + found.rest
        raise HalfbyteError(
            f"--flash {budget}: with the smallest format in every layer the constants take {least:,} bytes, which is "
            "the nearest that can be met; or make layers narrower"
        )
    return Choice(chosen.options, chosen.bytes + found.rest)


def mixed_recipe(recipe: Recipe, formats: Sequence[str], name: str) -> Recipe:
    """The recipe with a format for every layer with weights, in order, ready to train."""
    table = recipe.model_dump(exclude_none=True, mode="json") | {"name": name}
    table.pop("compress", None)  # which learns bits of its own
    entries = [entry for entry in table["model"]["layers"] if {"linear", "conv"} & entry.keys()]
    for entry, fmt in zip([*entries, table["model"]["last"]], formats, strict=True):
        entry["format"] = fmt
    return check_recipe(table, name)
