# SPDX-License-Identifier: Apache-2.0
"""Which channels of a network go together: forward() is traced, with a number for every channel that a layer makes.

What hb.Add adds has one number; so have the input and the output of a depthwise convolution, and the channels at the
same place of every group of a grouped one. Whoever reads a channel has its number on the columns of its weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from training.errors import HalfbyteError
from training.layers import (
    Activation,
    Add,
    AvgPool1d,
    AvgPool2d,
    BitConv1d,
    BitConv2d,
    BitLayer,
    BitLinear,
    Concat,
    GlobalAvgPool,
    Input,
    LayerNorm,
    RMSNorm,
)
from training.layers.shapes import Exact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RESHAPES = ("flatten", "reshape", "view", "contiguous", "unsqueeze", "squeeze", "unflatten")


@dataclass(frozen=True)
class Tie:
    """The groups that the weights of a layer belong to, as numbers from 1; 0 is of what cannot go.

    rows     of what it makes  # (out_channels,)
    columns  of what it reads  # (fan_in,)
    inputs   of the channels that come in; None where it is fully connected  # (in_channels,)
    pixels   that each weight is multiplied for
    depthwise  has every channel that comes in a group of its own? Its columns are then all 0
    """

    rows: Tensor
    columns: Tensor
    inputs: Tensor | None
    pixels: int
    depthwise: bool


@dataclass(frozen=True)
class Ties:
    """The ties of every layer, by path, and how many groups of channels there are that can go."""

    layers: Mapping[str, Tie]
    count: int

    def layer(self, model: nn.Module, path: str) -> BitLayer:
        """The layer at that path of a model."""
        layer = model.get_submodule(path)
        assert isinstance(layer, BitLayer)
        return layer

    def weights(self, gone: Tensor) -> int:
        """Weights that are left without these groups.  # gone: (count + 1,) bool"""
        return self._total(gone, lambda _: 1)

    def products(self, gone: Tensor) -> int:
        """Multiplications of a sample that are left without these groups."""
        return self._total(gone, lambda tie: tie.pixels)

    def _total(self, gone: Tensor, times: Callable[[Tie], int]) -> int:
        kept = ((~gone[tie.rows]).sum() * (~gone[tie.columns]).sum() * times(tie) for tie in self.layers.values())
        return int(sum(kept))

    def emptied(self, gone: Tensor) -> str:
        """Path of the first layer that would make nothing without these groups; "" where there is none."""
        return next((path for path, tie in self.layers.items() if bool(gone[tie.rows].all())), "")


def find_ties(model: nn.Module) -> Ties:
    """Trace a model; HalfbyteError names what it cannot see through.

    The module runs once on two samples of zeros, in eval().
    """
    first = next((m for m in model.modules() if isinstance(m, Input)), None)
    if first is None:
        raise HalfbyteError("the model has no hb.Input, so nothing says what goes in; make it the first layer")
    try:
        graph = _Tracer().trace(model)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError) as error:
        raise HalfbyteError(f"{type(model).__name__}: forward() cannot be traced: {_line(error)}") from None
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    was_training = {module: module.training for module in model.modules()}
    owners = _Owners(model, graph)
    try:
        with torch.no_grad():
            owners.run(torch.zeros((2, *first.shape), dtype=getattr(torch, first.dtype), device=device))
    except HalfbyteError as error:
        raise HalfbyteError(_line(error)) from None  # torch adds lines of its own
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        raise HalfbyteError(f"{type(model).__name__}: fails on samples of {first.shape}: {_line(error)}") from None
    finally:
        for module, training in was_training.items():
            module.training = training
    return owners.ties()


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (Input, BitLayer, Exact)) or super().is_leaf_module(m, module_qualified_name)


class _Owners(fx.Interpreter):
    """Runs a traced forward() twice at once: on samples, and on the numbers of the channels that they belong to."""

    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        super().__init__(model.eval(), garbage_collect_values=False, graph=graph)
        self.model = model
        self.parents = [0]  # of every number, in the sense of union and find; 0 cannot go
        self.numbers: dict[fx.Node, Tensor] = {}  # of everything that is a tensor, two samples
        self.found: dict[str, Tie] = {}

    # -- numbers

    def fresh(self, n: int) -> Tensor:
        """Numbers of channels that somebody makes.  # (n,)"""
        start = len(self.parents)
        self.parents += range(start, start + n)
        return torch.arange(start, start + n)

    def root(self, number: int) -> int:
        """The number that stands for all that it was tied to."""
        while self.parents[number] != number:
            self.parents[number] = self.parents[self.parents[number]]
            number = self.parents[number]
        return number

    def tie(self, a: Tensor, b: Tensor) -> None:
        """Channels go together from now on, one by one."""
        for first, second in {(int(x), int(y)) for x, y in zip(a.flatten(), b.flatten(), strict=True)}:
            low, high = sorted((self.root(first), self.root(second)))
            self.parents[high] = low

    def of_channels(self, numbers: Tensor) -> Tensor:
        """Of every channel of a map; a channel whose pixels have several cannot go.  # (channels,)"""
        flat = numbers[0].flatten(1) if numbers.dim() > 2 else numbers[0][:, None]
        first = flat[:, :1]
        mixed = (flat != first).any(1)
        self.tie(flat[mixed], torch.zeros_like(flat[mixed]))
        return first.flatten()

    def ties(self) -> Ties:
        """All ties, the groups numbered from 1 in the order in which they are made."""
        names = {0: 0}
        for number in range(len(self.parents)):
            names.setdefault(self.root(number), len(names))
        named = torch.tensor([names[self.root(number)] for number in range(len(self.parents))])
        layers = {
            path: Tie(
                named[t.rows], named[t.columns], None if t.inputs is None else named[t.inputs], t.pixels, t.depthwise
            )
            for path, t in self.found.items()
        }
        return Ties(layers, len(names) - 1)

    # -- the walk

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401
        value = super().run_node(n)
        if n.op == "output":
            returned = n.args[0]
            if not isinstance(returned, fx.Node):
                raise HalfbyteError("forward() must return the scores alone")
            self.tie(self.numbers[returned], torch.zeros_like(self.numbers[returned]))
        elif isinstance(value, Tensor):
            self.numbers[n] = self._numbers_of(n, tuple(value.shape))
        return value

    def _numbers_of(self, n: fx.Node, shape: tuple[int, ...]) -> Tensor:
        if n.op == "placeholder":
            return torch.zeros(shape, dtype=torch.int64)
        if n.op == "call_module":
            path = str(n.target)
            module = self.model.get_submodule(path)
            if path in self.found:
                raise HalfbyteError(f"{path}: used twice in forward(); give each use a layer of its own")
            rule = next((rule for kind, rule in RULES.items() if isinstance(module, kind)), None)
            if rule is None:
                raise HalfbyteError(f"{path}: channels cannot be followed through {type(module).__name__}")
            inputs = [self.numbers[a] for a in (*n.args, *n.kwargs.values()) if isinstance(a, fx.Node)]
            return rule(self, path, module, inputs, shape)
        name = n.target if isinstance(n.target, str) else getattr(n.target, "__name__", str(n.target))
        if name not in RESHAPES:
            raise HalfbyteError(f"{n.name}: channels cannot be followed through '{name}'")

        def numbered(node: fx.Node) -> Any:  # noqa: ANN401
            return self.numbers.get(node, self.env.get(node))

        args: Any = fx.map_arg(n.args, numbered)
        kwargs: Any = fx.map_arg(n.kwargs, numbered)
        call = self.call_method if n.op == "call_method" else self.call_function
        numbers: Tensor = call(n.target, args, kwargs)
        return numbers


# -- one rule for each kind of module: (walk, path, module, numbers that go in, shape that comes out) -> its numbers --


def _made(rows: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Numbers of the channels, for every pixel of every sample."""
    return rows.view(1, -1, *[1] * (len(shape) - 2)).expand(shape)


def _input(walk: _Owners, path: str, module: Input, inputs: list[Tensor], shape: tuple[int, ...]) -> Tensor:  # noqa: ARG001
    return torch.zeros(shape, dtype=torch.int64)


def _linear(walk: _Owners, path: str, module: BitLinear, inputs: list[Tensor], shape: tuple[int, ...]) -> Tensor:
    if len(shape) != 2:
        raise HalfbyteError(f"{path}: takes vectors, but makes {shape[1:]}; put nn.Flatten() in front")
    rows = walk.fresh(module.out_channels)
    walk.found[path] = Tie(rows, inputs[0][0], None, 1, depthwise=False)
    return _made(rows, shape)


def _conv(
    walk: _Owners, path: str, module: BitConv1d | BitConv2d, inputs: list[Tensor], shape: tuple[int, ...]
) -> Tensor:
    rows, into, groups = walk.fresh(module.out_channels), walk.of_channels(inputs[0]), module.groups
    pixels, per_group = math.prod(module.kernel_size), module.in_channels // groups
    depthwise = per_group == 1 and groups > 1
    if depthwise:
        walk.tie(into.repeat_interleave(module.out_channels // groups), rows)
        columns = torch.zeros(module.fan_in, dtype=torch.int64)
    else:
        for numbers in (into.view(groups, -1), rows.view(groups, -1)):
            walk.tie(numbers[1:], numbers[:1].expand(groups - 1, -1))
        columns = into[:per_group].repeat_interleave(pixels)
    walk.found[path] = Tie(rows, columns, into, math.prod(shape[2:]), depthwise)
    return _made(rows, shape)


def _same(walk: _Owners, path: str, module: nn.Module, inputs: list[Tensor], shape: tuple[int, ...]) -> Tensor:  # noqa: ARG001
    return inputs[0]


def _pool(walk: _Owners, path: str, module: nn.Module, inputs: list[Tensor], shape: tuple[int, ...]) -> Tensor:  # noqa: ARG001
    return _made(walk.of_channels(inputs[0]), shape)


def _add(walk: _Owners, path: str, module: Add, inputs: list[Tensor], shape: tuple[int, ...]) -> Tensor:  # noqa: ARG001
    walk.tie(inputs[0][0], inputs[1][0])
    return inputs[0]


def _concat(walk: _Owners, path: str, module: Concat, inputs: list[Tensor], shape: tuple[int, ...]) -> Tensor:  # noqa: ARG001
    return torch.cat(inputs, 1)


def _reshape(walk: _Owners, path: str, module: nn.Module, inputs: list[Tensor], shape: tuple[int, ...]) -> Tensor:  # noqa: ARG001
    return inputs[0].reshape(shape)


RULES: dict[Any, Callable[..., Tensor]] = {
    Input: _input,
    BitLinear: _linear,
    (BitConv1d, BitConv2d): _conv,
    (nn.MaxPool1d, nn.MaxPool2d, AvgPool1d, AvgPool2d, GlobalAvgPool): _pool,
    (nn.ReLU, nn.Identity, nn.Dropout, Activation, RMSNorm, LayerNorm): _same,
    (nn.Flatten, nn.Unflatten): _reshape,
    Add: _add,
    Concat: _concat,
}
