# SPDX-License-Identifier: Apache-2.0
"""A PyTorch module to an integer graph: traced with torch.fx, then every module replaced by its operations.

The only file of the exporter that imports torch. A new layer is one entry in LOWER.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from exporter.graph import Graph, Node
from exporter.ops import (
    Add,
    AddBias,
    AvgPool,
    Clip,
    Concat,
    Conv,
    InputPlanes,
    InputShift,
    LayerNorm,
    Linear,
    Lookup,
    MaxPool,
    MaxShift,
    MulShift,
    Op,
    ResizeArea,
    RMSNorm,
    Shift,
)
from exporter.ops.base import INT32_MIN, MAP_DIMS, Shape
from exporter.ops.pool import exact_mean
from exporter.ops.resize_area import reciprocal
from training import layers, requant
from training.errors import HalfbyteError
from training.layers import BitConv1d, BitConv2d, BitLayer, BitLinear, Input
from training.layers.merge import SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt


@dataclass(frozen=True)
class Tap:
    """Where PyTorch computes a tensor of the graph: what goes into or comes out of the module at `path`.

    channels  that PyTorch has in front of the pixels and the graph behind them, as in `Value`
    """

    path: str
    output: bool
    channels: int = 1


@dataclass(frozen=True)
class Value:
    """A tensor on its way through forward().

    name      of the tensor of the graph that holds it
    shape     there: (height, width, channels) of a map, whatever PyTorch made of it since
    channels  that PyTorch has in front of the pixels and the graph behind them; 1 where both have one order
    lo        smallest activation there can be
    torch     shape of one sample in PyTorch, None if it could not be found out
    """

    name: str
    shape: Shape
    channels: int
    lo: int
    torch: Shape | None = None

    @property
    def in_one_order(self) -> bool:
        """Do its elements lie in memory in the order that PyTorch has?"""
        return self.channels in (1, prod(self.shape))

    def map_shape(self, path: str, dims: int) -> Shape:
        """(height, width, channels) of the map that a module of 1 or 2 dimensions takes; a series is its height."""
        if self.torch is None or len(self.torch) != dims + 1:
            axes = "(channels, length)" if dims == 1 else "(channels, height, width)"
            found = self.torch or self.shape
            what = f"{path}: takes maps {axes}, but {found} comes out of {self.name}"
            if len(found) == dims:
                what += f"; give it a channel: x.unsqueeze(1), or nn.Unflatten(1, (1, {found[0]}))"
            raise HalfbyteError(what)
        channels, *size = self.torch
        fits = self.in_one_order if min(channels, prod(size)) == 1 else self.channels == channels
        if not fits:
            raise HalfbyteError(
                f"{path}: the channels of {self.torch} are not those that {self.name} has in memory; "
                "give hb.Input its channels='first' or 'last', and do not reshape in between"
            )
        return (*size, *[1] * (2 - dims), channels)


@dataclass(frozen=True)
class Step:
    """One operation that a module becomes, the name behind the module's own ("" for its main one), and its tap."""

    suffix: str
    op: Op
    tap: Tap


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in LOWER or isinstance(m, (Input, BitLayer)) or super().is_leaf_module(m, module_qualified_name)


def lower(model: nn.Module, name: str, labels: tuple[str, ...] = ()) -> tuple[Graph, dict[str, Tap]]:
    """The integer graph of a model in eval(), and where PyTorch computes each of its tensors.

    HalfbyteError names the module's path, what was found, and what to use instead.
    """
    model.eval()  # every part of it: one left in train() would still move its clip scale
    if isinstance(model, BitLayer):
        raise HalfbyteError(f"model: a network begins with hb.Input(shape, ...), found {_kind(model)}")
    if isinstance(model, Input):
        model = nn.Sequential(model)
    body, output, failure = _trace(model)
    lowering = _Lowering(model, body, failure)
    for node in body:
        lowering.take(node)
    nodes, taps, first = lowering.nodes, lowering.taps, lowering.first
    if first is None:
        raise HalfbyteError(
            "the model has no layers; it takes hb.Input(...) first, hb.BitLinear(..., requant=None) last"
        )
    if failure:
        raise HalfbyteError(failure)
    if output not in lowering.values or lowering.values[output].name != nodes[-1].name:
        raise HalfbyteError(f"{_kind(model)}: forward() must return the scores alone, what its last layer makes")
    graph = Graph(name, first.dtype, first.shape, tuple(nodes), labels)
    _check_ends(graph)
    n_scores = prod(graph.shapes[nodes[-1].name])
    if labels and len(labels) != n_scores:
        raise HalfbyteError(f"{len(labels)} labels for {n_scores} scores; give one for each, in order")
    _check_shapes(model, graph, taps)
    return graph, taps


def check_trained(model: nn.Module) -> None:
    """HalfbyteError with its path where a layer's norm has no statistics yet. Before training none has."""
    for path, layer in model.named_modules():
        r = layer.requant if isinstance(layer, BitLayer) else None
        if isinstance(r, requant.MulShift) and r.norm == "batch" and r.saw_no_batch():
            raise HalfbyteError(f"{path}: norm 'batch' has no statistics; run some batches in train() first")


class _Lowering:
    """The graph as far as forward() was read. `failure`: why PyTorch did not get through it, or nothing."""

    def __init__(self, model: nn.Module, body: Sequence[fx.Node], failure: str) -> None:
        self.model = model
        self.nodes: list[Node] = []
        self.taps: dict[str, Tap] = {}
        self.first: Input | None = None
        self.values: dict[fx.Node, Value] = {}
        self.sizes = _size_nodes(body)
        self.failure = failure

    def take(self, node: fx.Node) -> None:
        """The next node of the traced forward()."""
        if node in self.sizes or node.op == "placeholder":
            return
        arguments = (*node.args, *node.kwargs.values())
        inputs = [source for source in arguments if isinstance(source, fx.Node) and source not in self.sizes]
        if node.op != "call_module":
            if not _keeps_values(node):
                target = _target_name(node)
                hint = f"; use {FUNCTIONS[target]}" if target in FUNCTIONS else f"; supported are {SUPPORTED}"
                raise HalfbyteError(f"{node.name}: '{target}' cannot be exported{hint}")
            if inputs[0] in self.values:
                self.values[node] = replace(self.values[inputs[0]], torch=self._shape(node))
            return
        path = str(node.target)
        module = self.model.get_submodule(path)
        if self.first is None:
            if not isinstance(module, Input):
                raise HalfbyteError(f"{path}: a network begins with hb.Input(shape, ...), found {_kind(module)}")
            self.first = module
            self.values[inputs[0]] = Value("raw", module.shape, 1, 0, module.shape)
        elif isinstance(module, Input):
            raise HalfbyteError(f"{path}: a network has one hb.Input, its first layer")
        missing = [source for source in inputs if source not in self.values]
        if missing:
            raise HalfbyteError(f"{path}: takes {missing[0].name}, which does not come out of hb.Input")
        values = [self.values[source] for source in inputs]
        if self.failure and any(value.torch is None for value in values):
            raise HalfbyteError(self.failure)
        self.values[node] = replace(self._take_module(path, module, values), torch=self._shape(node))

    def _shape(self, node: fx.Node) -> Shape | None:
        """Shape of one sample; filled in by `_trace`."""
        shape = node.meta.get("shape")
        return None if shape is None else tuple(shape[1:])

    def _take_module(self, path: str, module: nn.Module, inputs: list[Value]) -> Value:
        values = inputs
        for step in _lower_module(path, module, inputs):
            node = Node(f"{path}.{step.suffix}".strip("."), step.op, tuple(value.name for value in values))
            if node.name == "raw":
                raise HalfbyteError("raw: this is the name of what enters the network; give the module another")
            if node.name in self.taps:
                raise HalfbyteError(f"{path}: used twice in forward(); give each use a layer of its own")
            value = _value_of(node, values)
            if isinstance(module, Input) and module.channels:
                value = replace(value, channels=module.out_shape[0])
            self.nodes.append(node)
            self.taps[node.name] = replace(step.tap, channels=value.channels)
            values = [value]
        return values[0]


def _value_of(node: Node, inputs: list[Value]) -> Value:
    """What an operation makes of what goes in."""
    op = node.op
    try:
        shape = op.out_shape(*(value.shape for value in inputs))
    except HalfbyteError as error:
        raise HalfbyteError(f"{node.name}: {error}") from None
    channels = getattr(op, "out_channels", inputs[0].channels)
    if isinstance(op, (Linear, Add, Concat)):
        channels = shape[-1] if len(shape) == MAP_DIMS else 1
    lo = int(op.table.min()) if isinstance(op, Lookup) else getattr(op, "lo", inputs[0].lo)
    return Value(node.name, shape, channels, INT32_MIN if op.out_type == "int32_t" else lo)


def _check_ends(graph: Graph) -> None:
    """Scores come out of the last layer, and of no other; every tensor is read by somebody."""
    last = graph.nodes[-1]
    for node in graph.nodes:
        readers = graph.readers(node.name)
        if not readers and node is not last:
            raise HalfbyteError(f"{node.name}: nobody takes what it makes; remove it from forward()")
        for reader in readers:
            if node.op.out_type == "int32_t" and not reader.op.takes_sums:
                raise HalfbyteError(f"{node.name}: int32 sums go into {reader.name}; give it a requantizer")
        if isinstance(node.op, (AddBias, Add, Concat)):
            _check_scale(graph, node)
    if last.op.out_type != "int32_t":
        raise HalfbyteError(f"{last.name}: the last layer's sums are the scores; give it requant=None")
    if len(graph.shapes[last.name]) == MAP_DIMS:
        raise HalfbyteError(f"{last.name}: scores are a vector, found a map; end with hb.BitLinear(..., requant=None)")


def _check_scale(graph: Graph, node: Node) -> None:
    """What is added to or beside others needs a fixed scale, which maxshift does not give."""
    behind, found = set(node.inputs), {n.name: n for n in graph.nodes}
    while behind:
        source = found.get(behind.pop())
        if source is None:
            continue
        if isinstance(source.op, MaxShift):
            what = "a bias needs scores" if isinstance(node.op, AddBias) else f"{node.op.kind} needs maps"
            raise HalfbyteError(
                f"{node.name}: {what} of a fixed scale, and maxshift scales every sample on its own; "
                "use requant 'shift' or 'mulshift' before it"
                + (", or bias=False" if isinstance(node.op, AddBias) else "")
            )
        behind |= set(source.inputs)


def _check_shapes(model: nn.Module, graph: Graph, taps: dict[str, Tap]) -> None:
    """A few samples through PyTorch: every tensor has the shape the graph says, so that no reshape mixes samples."""
    for count in (2, 3):
        try:
            tensors = tapped_run(model, taps, np.zeros((count, *graph.shape), graph.dtype), graph.shapes)
        except (RuntimeError, IndexError) as error:
            reason = str(error).splitlines()[0]
            raise HalfbyteError(
                f"{_kind(model)}: forward() fails on samples of shape {graph.shape}: {reason}"
            ) from None
        for node in graph.nodes:
            found, expected = tensors[node.name].shape, (count, *graph.shapes[node.name])
            if found != expected:
                raise HalfbyteError(
                    f"{node.name}: forward() makes {found} of {count} samples, not {expected}; "
                    "put nn.Flatten() in front"
                )


class _Shapes(fx.Interpreter):
    """Runs a traced forward() and notes the shape of everything; where it fails, the rest has none."""

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401
        value = super().run_node(n)
        if isinstance(value, Tensor):
            n.meta["shape"] = tuple(value.shape)
        return value


def _trace(model: nn.Module) -> tuple[list[fx.Node], fx.Node, str]:
    """The nodes of forward() with the shapes they have for two samples, the one it returns, and where that fails."""
    kind = _kind(model)
    try:
        graph = _Tracer().trace(model)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError) as error:
        raise HalfbyteError(f"{kind}: forward() cannot be traced: {str(error).splitlines()[0]}") from None
    *body, output = graph.nodes
    if [node.op for node in body].count("placeholder") != 1 or body[0].op != "placeholder":
        raise HalfbyteError(f"{kind}: forward() must take one tensor")
    if not isinstance(output.args[0], fx.Node):
        raise HalfbyteError(f"{kind}: forward() must return the scores alone")
    first = next((m for m in model.modules() if isinstance(m, Input)), None)
    if first is not None:
        sample = torch.zeros((2, *first.shape), dtype=getattr(torch, first.dtype))
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        try:
            with torch.no_grad():
                _Shapes(model, garbage_collect_values=False, graph=graph).run(sample.to(device))
        except HalfbyteError as error:  # there may be better words for it when the graph is made
            reason = str(error).splitlines()[0]  # torch adds lines of its own
            return body, output.args[0], f"{_failing(body)}: {reason}"
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            reason = str(error).splitlines()[0]
            return body, output.args[0], f"{_failing(body)}: fails on samples of shape {first.shape}: {reason}"
    return body, output.args[0], ""


def _failing(body: list[fx.Node]) -> str:
    """Path of the first module that made nothing."""
    return str(next((n.target for n in body if n.op == "call_module" and "shape" not in n.meta), "model"))


def _size_nodes(body: Sequence[fx.Node]) -> set[fx.Node]:
    """Nodes that ask for sizes instead of values, as in x.view(x.size(0), -1) or x.reshape(x.shape[0], -1)."""
    sizes: set[fx.Node] = set()
    for node in body:
        asks = _target_name(node) == "size" or (_target_name(node) == "getattr" and node.args[1] == "shape")
        if asks or (node.all_input_nodes and sizes.issuperset(node.all_input_nodes)):
            sizes.add(node)
    return sizes


def _target_name(node: fx.Node) -> str:
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


def _keeps_values(node: fx.Node) -> bool:
    """Does the call only give the tensor another shape, keeping the order of its elements?"""
    return _target_name(node) in ("flatten", "reshape", "view", "contiguous", "unsqueeze", "squeeze", "unflatten")


# -- one function for each kind of module: (its path, itself, what goes in) -> its operations -------------------------


def _integers(values: Tensor | npt.ArrayLike) -> npt.NDArray[np.int64]:
    return np.asarray(values.cpu().numpy() if isinstance(values, Tensor) else values).astype(np.int64)


def _lower_input(path: str, module: Input, inputs: list[Value]) -> list[Step]:  # noqa: ARG001
    steps = []
    if module.resize is not None:
        mul, shift = reciprocal(module.resize.area)
        op = ResizeArea(module.resize.in_size, module.resize.out_size, mul, shift)
        steps.append(Step("resize_area", op, Tap(f"{path}.resize".strip("."), output=True)))
    rule = InputPlanes if module.channels == "first" and module.shape[0] > 1 else InputShift
    op_shift = rule(module.dtype, module.offset, module.shift, module.lo, module.hi)
    return [*steps, Step("", op_shift, Tap(path, output=True))]


def _check_finite(path: str, module: nn.Module) -> None:
    for name, values in (*module.named_parameters(), *module.named_buffers()):
        if not torch.isfinite(values).all():
            raise HalfbyteError(f"{path}.{name}: has values that are not finite; train again")


def _levels(path: str, module: BitLayer) -> npt.NDArray[np.int64]:
    """The integer weights of a layer.  # (out_channels, fan_in)"""
    if module.fmt is None:
        raise HalfbyteError(f"{path}: format 'float' has no integer weights; train with one of halfbyte's formats")
    _check_finite(path, module)
    return _integers(module.levels())


def _lower_linear(path: str, module: BitLinear, inputs: list[Value]) -> list[Step]:
    w, (source,) = _levels(path, module), inputs
    n_in, found = w.shape[1], prod(source.shape)
    if source.torch is not None and len(source.torch) > 1:
        raise HalfbyteError(
            f"{path}: takes vectors, but {source.torch} comes out of {source.name}; put nn.Flatten() in front"
        )
    if n_in != found:
        of = f" {source.torch}" if source.torch else ""
        raise HalfbyteError(f"{path}: takes {n_in} inputs, but {found} come out of {source.name}{of}; give it {found}")
    w = w.reshape(len(w), source.channels, -1).swapaxes(1, 2).reshape(len(w), -1)  # a flattened map's channels lie last
    return _with_requant(path, module, Linear(module.fmt.name, w))  # type: ignore[union-attr]


def _lower_conv(path: str, module: BitConv1d | BitConv2d, inputs: list[Value]) -> list[Step]:
    w, dims = _levels(path, module), module.dims
    per_group = module.in_channels // module.groups
    w = w.reshape(len(w), per_group, -1).swapaxes(1, 2).reshape(len(w), -1)
    shape = inputs[0].map_shape(path, dims)
    size, stride, padding = _sizes(module, dims)
    op = Conv(shape, size, stride, padding, module.groups, module.fmt.name, w)  # type: ignore[union-attr]
    return _with_requant(path, module, op)


def _sizes(module: Any, dims: int) -> tuple[Shape, Shape, Shape]:  # noqa: ANN401 (torch's poolings and ours)
    """Window, stride and padding as (vertical, horizontal); a series has a width of 1."""
    found = []
    for what, other in (("kernel_size", 1), ("stride", 1), ("padding", 0)):
        value = getattr(module, what)
        many = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
        found.append((*many, *[other] * (2 - dims)))
    return found[0], found[1], found[2]


def _with_requant(path: str, module: BitLayer, op: Op) -> list[Step]:
    if module.requant is not None:
        _check_requant(path, module, module.requant)
        inner = f"{path}.requant".strip(".")
        try:
            op_requant = REQUANT_OPS[type(module.requant)](module, module.requant)
        except HalfbyteError as error:
            raise HalfbyteError(f"{path}: {error}") from None
        return [Step("", op, Tap(inner, output=False)), Step(op_requant.kind, op_requant, Tap(inner, output=True))]
    if module.scale == "channel":
        raise HalfbyteError(f"{path}: scores need one scale; the last layer takes scale='tensor'")
    if module.bias is None:
        return [Step("", op, Tap(path, output=True))]
    inner = f"{path}.bias".strip(".")
    op_bias = AddBias(_integers(module.bias.integers()))
    return [Step("", op, Tap(inner, output=False)), Step("add_bias", op_bias, Tap(inner, output=True))]


def _check_requant(path: str, module: BitLayer, r: requant.Requant) -> None:
    if r.norm not in r.deploys:
        raise HalfbyteError(
            f"{path}: norm '{r.norm}' has no exact integer form behind '{r.kind}'; "
            f"use one of {', '.join(r.deploys)}" + (", or requant 'mulshift'" if r.norm == "batch" else "")
        )
    if module.scale == "channel" and not r.per_channel_scale:
        raise HalfbyteError(f"{path}: scale 'channel' needs requant 'mulshift', found '{r.kind}'")


def _maxshift(module: BitLayer, r: requant.MaxShift) -> Op:  # noqa: ARG001 (one signature for all)
    return MaxShift(r.lo, r.hi)


def _shift(module: BitLayer, r: requant.Shift) -> Op:  # noqa: ARG001
    return Shift(r.exponent(), r.lo, r.hi, _integers(r.bias_integers()))


def _mulshift(module: BitLayer, r: requant.MulShift) -> Op:
    m, b, s = r.constants(module.acc_max(module.levels()))
    return MulShift(r.lo, r.hi, _integers(m), _integers(b), _integers(s))


REQUANT_OPS: dict[type[nn.Module], Callable[[Any, Any], Op]] = {
    requant.MaxShift: _maxshift,
    requant.Shift: _shift,
    requant.MulShift: _mulshift,
}


def _lower_maxpool(path: str, module: nn.MaxPool1d | nn.MaxPool2d, inputs: list[Value]) -> list[Step]:
    dims = 1 if isinstance(module, nn.MaxPool1d) else 2
    if module.ceil_mode or module.return_indices or module.dilation not in (1, (1,) * dims):
        raise HalfbyteError(
            f"{path}: {_kind(module)} takes neither ceil_mode, dilation nor return_indices; "
            "leave them out (padding=... keeps the last pixels, too)"
        )
    op = MaxPool(inputs[0].map_shape(path, dims), *_sizes(module, dims))
    return [Step("", op, Tap(path, output=True))]


def _lower_avgpool(path: str, module: layers.AvgPool1d | layers.AvgPool2d, inputs: list[Value]) -> list[Step]:
    shape, (size, stride, padding) = inputs[0].map_shape(path, module.dims), _sizes(module, module.dims)
    return [Step("", _avgpool(path, shape, size, stride, padding, inputs[0].lo), Tap(path, output=True))]


def _lower_global(path: str, module: layers.GlobalAvgPool, inputs: list[Value]) -> list[Step]:  # noqa: ARG001
    shape = inputs[0].map_shape(path, len(inputs[0].torch or ()) - 1)
    return [Step("", _avgpool(path, shape, shape[:2], (1, 1), (0, 0), inputs[0].lo), Tap(path, output=True))]


def _avgpool(path: str, shape: Shape, size: Shape, stride: Shape, padding: Shape, lo: int) -> AvgPool:
    base = 127 if lo < 0 else 0
    try:
        return AvgPool(shape, size, stride, padding, *exact_mean(prod(size), base), base)
    except HalfbyteError as error:
        raise HalfbyteError(f"{path}: {error}") from None


def _lower_merge(path: str, module: layers.Add | layers.Concat, inputs: list[Value]) -> list[Step]:
    _check_finite(path, module)
    constants = SHIFT, module.lo, module.hi, _integers(module.multipliers())
    shape = _merged_shape(path, inputs, together=isinstance(module, layers.Add))
    op = Add(shape, *constants) if isinstance(module, layers.Add) else Concat(shape[:2], *constants)
    return [Step("", op, Tap(path, output=True))]


def _merged_shape(path: str, inputs: list[Value], *, together: bool) -> Shape:
    """Shape of the first map, (1, 1, n) of vectors. `together`: element by element, so that any one order will do."""
    dims = len(inputs[0].torch or ()) - 1
    if dims > 0:
        shape, *_ = [value.map_shape(path, dims) for value in inputs]
        return shape
    if together and len({value.channels for value in inputs}) == 1:
        return inputs[0].shape
    for value in inputs:
        if not value.in_one_order:
            raise HalfbyteError(
                f"{path}: takes vectors, but {value.name} {value.shape} is a flattened map, which the chip has in "
                "another order than PyTorch; put nn.Flatten() behind instead of in front"
            )
    return (1, 1, prod(inputs[0].shape))


def _lower_activation(path: str, module: layers.Activation, inputs: list[Value]) -> list[Step]:  # noqa: ARG001
    return [Step("", Lookup(module.in_lo, _integers(module.table())), Tap(path, output=True))]


def _lower_norm(path: str, module: layers.RMSNorm | layers.LayerNorm, inputs: list[Value]) -> list[Step]:
    kind = {layers.RMSNorm: RMSNorm, layers.LayerNorm: LayerNorm}[type(module)]
    try:
        c, s = module.constants(prod(inputs[0].shape))
    except HalfbyteError as error:
        raise HalfbyteError(f"{path}: {error}") from None
    return [Step("", kind(c, s, module.lo, module.hi), Tap(path, output=True))]


def _lower_relu(path: str, module: nn.ReLU, inputs: list[Value]) -> list[Step]:  # noqa: ARG001
    return [Step("", Clip(0, 127), Tap(path, output=True))] if inputs[0].lo < 0 else []


def _lower_nothing(path: str, module: nn.Module, inputs: list[Value]) -> list[Step]:  # noqa: ARG001
    return []


LOWER: dict[type[nn.Module], Callable[[str, Any, list[Value]], list[Step]]] = {
    Input: _lower_input,
    BitLinear: _lower_linear,
    BitConv1d: _lower_conv,
    BitConv2d: _lower_conv,
    nn.MaxPool1d: _lower_maxpool,
    nn.MaxPool2d: _lower_maxpool,
    layers.AvgPool1d: _lower_avgpool,
    layers.AvgPool2d: _lower_avgpool,
    layers.GlobalAvgPool: _lower_global,
    layers.Add: _lower_merge,
    layers.Concat: _lower_merge,
    layers.Activation: _lower_activation,
    layers.RMSNorm: _lower_norm,
    layers.LayerNorm: _lower_norm,
    nn.ReLU: _lower_relu,
    nn.Flatten: _lower_nothing,
    nn.Unflatten: _lower_nothing,
    nn.Identity: _lower_nothing,
    nn.Dropout: _lower_nothing,
    nn.Dropout2d: _lower_nothing,
}
SUPPORTED = ", ".join(("nn." if kind.__module__.startswith("torch") else "hb.") + kind.__name__ for kind in LOWER)

INSTEAD: dict[type[nn.Module], str] = {
    nn.Linear: "hb.BitLinear",
    nn.Conv1d: "hb.BitConv1d",
    nn.Conv2d: "hb.BitConv2d",
    nn.AvgPool1d: "hb.AvgPool1d",
    nn.AvgPool2d: "hb.AvgPool2d",
    nn.AdaptiveAvgPool2d: "hb.GlobalAvgPool, or hb.AvgPool2d",
    nn.AdaptiveAvgPool1d: "hb.GlobalAvgPool, or hb.AvgPool1d",
    nn.BatchNorm1d: "norm='batch', requant='mulshift' in the layer before it",
    nn.BatchNorm2d: "norm='batch', requant='mulshift' in the layer before it",
    nn.LayerNorm: "hb.LayerNorm(), over a whole sample, or hb.BitLinear(..., norm='rms')",
    nn.RMSNorm: "hb.RMSNorm(), over a whole sample, or hb.BitLinear(..., norm='rms')",
    nn.AdaptiveMaxPool1d: "nn.MaxPool1d, of the size of the series",
    nn.AdaptiveMaxPool2d: "nn.MaxPool2d, of the size of the map",
    nn.ZeroPad1d: "padding=... of the layer behind it",
    nn.ZeroPad2d: "padding=... of the layer behind it",
    nn.PReLU: 'hb.Activation("leaky_relu", ...) behind a layer with signed=True',
    **{
        kind: f'hb.Activation("{name}", ...) behind a layer with signed=True'
        for kind, name in (
            (nn.ELU, "elu"),
            (nn.GELU, "gelu"),
            (nn.Hardsigmoid, "hardsigmoid"),
            (nn.Hardswish, "hardswish"),
            (nn.Hardtanh, "hardtanh"),
            (nn.LeakyReLU, "leaky_relu"),
            (nn.Mish, "mish"),
            (nn.ReLU6, "relu6"),
            (nn.Sigmoid, "sigmoid"),
            (nn.SiLU, "silu"),
            (nn.Softplus, "softplus"),
            (nn.Tanh, "tanh"),
        )
    },
    nn.Softmax: "nothing: the class is the largest score",
    nn.LogSoftmax: "nothing: the class is the largest score",
}

FUNCTIONS = {
    "add": "hb.Add()",
    "iadd": "hb.Add()",
    "cat": "hb.Concat()",
    "concat": "hb.Concat()",
    "relu": "nn.ReLU()",
    "max_pool2d": "nn.MaxPool2d",
    "boolean_dispatch": "nn.MaxPool2d or nn.MaxPool1d",
    "avg_pool2d": "hb.AvgPool2d",
    "adaptive_avg_pool2d": "hb.GlobalAvgPool()",
    "mean": "hb.GlobalAvgPool()",
    "amax": "nn.MaxPool2d, of the size of the map",
    "pad": "padding=... of the layer behind it",
    "clamp": 'hb.Activation("hardtanh" or "relu6", ...)',
    **{name: f'hb.Activation("{name}", ...)' for name in layers.activation.FUNCTIONS},
}


def _kind(module: nn.Module) -> str:
    return type(module).__name__


def _lower_module(path: str, module: nn.Module, inputs: list[Value]) -> list[Step]:
    try:
        lowered = LOWER[type(module)]
    except KeyError:
        instead = f"; use {INSTEAD[type(module)]}" if type(module) in INSTEAD else ""
        raise HalfbyteError(f"{path}: {_kind(module)} cannot be exported{instead} (supported: {SUPPORTED})") from None
    return lowered(path, module, inputs)


def tapped_run(
    model: nn.Module, taps: dict[str, Tap], raw: npt.NDArray[np.integer], shapes: dict[str, Shape]
) -> dict[str, npt.NDArray[np.int64]]:
    """Every tensor of the graph as PyTorch's eval() computes it for raw samples.  # name: (n, *its shape)

    shapes  of the graph's tensors: maps are turned to (n, height, width, channels)
    """
    tensors: dict[str, npt.NDArray[np.int64]] = {}

    def record(tap: Tap, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001
            value = (output if tap.output else inputs[0]).double()
            integers = value.to(torch.int64)
            if not torch.equal(integers.double(), value):
                raise HalfbyteError(f"{name}: PyTorch's eval() gives values that are no integers")
            tensors[name] = _as_graph_has_it(integers.cpu().numpy(), tap.channels, shapes[name])

        return hook

    model.eval()
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    hooks = [model.get_submodule(tap.path).register_forward_hook(record(tap, name)) for name, tap in taps.items()]
    try:
        with torch.no_grad():
            model(torch.as_tensor(np.ascontiguousarray(raw), device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return tensors


def _as_graph_has_it(value: npt.NDArray[np.int64], channels: int, shape: Shape) -> npt.NDArray[np.int64]:
    """Channels behind the pixels; a tensor of another size than it should have, as it is."""
    if value.size != len(value) * prod(shape):
        return value
    return value.reshape(len(value), channels, -1).swapaxes(1, 2).reshape(len(value), *shape)
