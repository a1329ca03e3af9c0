# SPDX-License-Identifier: Apache-2.0
"""A PyTorch module to an integer graph: traced with torch.fx, then every module replaced by its operations.

The only file of the exporter that imports torch. A new layer is one entry in LOWER.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from exporter.graph import Graph, Node
from exporter.ops import AddBias, InputShift, Linear, MaxShift, MulShift, Op, ResizeArea, Shift
from exporter.ops.resize_area import reciprocal
from training import requant
from training.errors import HalfbyteError
from training.layers import BitConv2d, BitLayer, BitLinear, Input

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

SUPPORTED = "Input, BitLinear, nn.Flatten, nn.Identity, nn.Dropout"


@dataclass(frozen=True)
class Tap:
    """Where PyTorch computes a tensor of the graph: what goes into or comes out of the module at `path`."""

    path: str
    output: bool


@dataclass(frozen=True)
class Step:
    """One operation that a module becomes, the name behind the module's own ("" for its main one), and its tap."""

    suffix: str
    op: Op
    tap: Tap


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (Input, BitLayer)) or super().is_leaf_module(m, module_qualified_name)


def lower(model: nn.Module, name: str, labels: tuple[str, ...] = ()) -> tuple[Graph, dict[str, Tap]]:
    """The integer graph of a model in eval(), and where PyTorch computes each of its tensors.

    HalfbyteError names the module's path, what was found, and what to use instead.
    """
    model.eval()  # every part of it: one left in train() would still move its clip scale
    nodes: list[Node] = []
    taps: dict[str, Tap] = {}
    first: Input | None = None
    for path, module in _chain(model):
        if first is None:
            if not isinstance(module, Input):
                raise HalfbyteError(
                    f"{path or 'model'}: a network begins with hb.Input(shape, ...), found {_kind(module)}"
                )
            first = module
        elif isinstance(module, Input):
            raise HalfbyteError(f"{path}: a network has one hb.Input, its first layer")
        for step in _lower_module(path, module):
            node = Node(f"{path}.{step.suffix}".strip("."), step.op, nodes[-1].name if nodes else "raw")
            if node.name == "raw":
                raise HalfbyteError("raw: this is the name of what enters the network; give the module another")
            if node.name in taps:
                raise HalfbyteError(f"{path}: used twice in forward(); give each use a layer of its own")
            nodes.append(node)
            taps[node.name] = step.tap
    if first is None:
        raise HalfbyteError(
            "the model has no layers; it takes hb.Input(...) first, hb.BitLinear(..., requant=None) last"
        )
    _check_ends(nodes, int(np.prod(first.out_shape)))
    graph = Graph(name, first.dtype, first.shape, tuple(nodes), labels)
    n_scores = int(np.prod(graph.shapes[nodes[-1].name]))
    if labels and len(labels) != n_scores:
        raise HalfbyteError(f"{len(labels)} labels for {n_scores} scores; give one for each, in order")
    _check_shapes(model, graph, taps)
    return graph, taps


def _check_ends(nodes: list[Node], width: int) -> None:
    """Scores come out of the last layer, and of no other; each layer takes what the one before it makes."""
    if nodes[-1].op.out_type != "int32_t":
        raise HalfbyteError(f"{nodes[-1].name}: the last layer's sums are the scores; give it requant=None")
    for node, after in zip(nodes, [*nodes[1:], None], strict=True):
        if isinstance(node.op, Linear):
            n_in = node.op.w.shape[1]
            if n_in != width:
                raise HalfbyteError(f"{node.name}: takes {n_in} inputs, but {width} come out of {node.input}")
            if after is not None and isinstance(after.op, (Linear, InputShift)):
                raise HalfbyteError(f"{node.name}: int32 sums go into {after.name}; give it a requantizer")
        if isinstance(node.op, AddBias) and "maxshift" in (n.op.kind for n in nodes):
            raise HalfbyteError(
                f"{node.name}: a bias needs scores of a fixed scale, and maxshift scales every sample on its own; "
                "use requant 'shift' or 'mulshift' before it, or bias=False"
            )
        width = int(np.prod(node.op.out_shape(()))) if isinstance(node.op, Linear) else width


def _check_shapes(model: nn.Module, graph: Graph, taps: dict[str, Tap]) -> None:
    """A few samples through PyTorch: every tensor has the shape the graph says, so that no reshape mixes samples."""
    for count in (2, 3):
        _check_shapes_of(count, model, graph, taps)


def _check_shapes_of(count: int, model: nn.Module, graph: Graph, taps: dict[str, Tap]) -> None:
    try:
        tensors = tapped_run(model, taps, np.zeros((count, *graph.shape), graph.dtype))
    except (RuntimeError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise HalfbyteError(f"{_kind(model)}: forward() fails on samples of shape {graph.shape}: {reason}") from None
    for node in graph.nodes:
        found, expected = tensors[node.name].shape, (count, *graph.shapes[node.name])
        if found != expected:
            raise HalfbyteError(
                f"{node.name}: forward() makes {found} of {count} samples, not {expected}; put nn.Flatten() in front"
            )


def _chain(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """(path, module) of a traced model in the order of the data; HalfbyteError where it is not a chain."""
    if isinstance(model, (Input, BitLayer)):
        yield "", model
        return
    kind = type(model).__name__
    try:
        *body, output = _Tracer().trace(model).nodes
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError) as error:
        raise HalfbyteError(f"{kind}: forward() cannot be traced: {str(error).splitlines()[0]}") from None
    if [node.op for node in body].count("placeholder") != 1 or body[0].op != "placeholder":
        raise HalfbyteError(f"{kind}: forward() must take one tensor")
    sizes = _size_nodes(body)
    body = [node for node in body if node not in sizes]
    for previous, node in pairwise(body):
        inputs = [source for source in node.all_input_nodes if source not in sizes]
        if inputs != [previous]:
            found = ", ".join(map(str, inputs))
            raise HalfbyteError(f"{node.target}: takes {found}; only chains of layers can be exported")
        if node.op == "call_module":
            yield str(node.target), model.get_submodule(str(node.target))
        elif not _keeps_values(node):
            raise HalfbyteError(f"{node.name}: '{_target_name(node)}' cannot be exported; supported are {SUPPORTED}")
    if output.args[0] is not body[-1]:
        raise HalfbyteError(f"{kind}: forward() must return the scores alone")


def _size_nodes(body: list[fx.Node]) -> set[fx.Node]:
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
    return _target_name(node) in ("flatten", "reshape", "view", "contiguous")


# -- one function for each kind of module ------------------------------------------------------------------------


def _integers(values: Tensor | npt.ArrayLike) -> npt.NDArray[np.int64]:
    return np.asarray(values.cpu().numpy() if isinstance(values, Tensor) else values).astype(np.int64)


def _lower_input(path: str, module: Input) -> list[Step]:
    steps = []
    if module.resize is not None:
        mul, shift = reciprocal(module.resize.area)
        op = ResizeArea(module.resize.in_size, module.resize.out_size, mul, shift)
        steps.append(Step("resize_area", op, Tap(f"{path}.resize".strip("."), output=True)))
    op_shift = InputShift(module.dtype, module.offset, module.shift, module.lo, module.hi)
    return [*steps, Step("", op_shift, Tap(path, output=True))]


def _lower_linear(path: str, module: BitLinear) -> list[Step]:
    if module.fmt is None:
        raise HalfbyteError(f"{path}: format 'float' has no integer weights; train with one of halfbyte's formats")
    for name, values in (*module.named_parameters(), *module.named_buffers()):
        if not torch.isfinite(values).all():
            raise HalfbyteError(f"{path}.{name}: has values that are not finite; train again")
    linear = Linear(module.fmt.name, _integers(module.levels()))
    if module.requant is not None:
        _check_requant(path, module, module.requant)
        inner = f"{path}.requant".strip(".")
        try:
            op = REQUANT_OPS[type(module.requant)](module, module.requant)
        except HalfbyteError as error:
            raise HalfbyteError(f"{path}: {error}") from None
        return [Step("", linear, Tap(inner, output=False)), Step(op.kind, op, Tap(inner, output=True))]
    if module.scale == "channel":
        raise HalfbyteError(f"{path}: scores need one scale; the last layer takes scale='tensor'")
    if module.bias is None:
        return [Step("", linear, Tap(path, output=True))]
    inner = f"{path}.bias".strip(".")
    op_bias = AddBias(_integers(module.bias.integers()))
    return [Step("", linear, Tap(inner, output=False)), Step("add_bias", op_bias, Tap(inner, output=True))]


def _check_requant(path: str, module: BitLinear, r: requant.Requant) -> None:
    if r.norm not in r.deploys:
        raise HalfbyteError(
            f"{path}: norm '{r.norm}' has no exact integer form behind '{r.kind}'; "
            f"use one of {', '.join(r.deploys)}" + (", or requant 'mulshift'" if r.norm == "batch" else "")
        )
    if module.scale == "channel" and not r.per_channel_scale:
        raise HalfbyteError(f"{path}: scale 'channel' needs requant 'mulshift', found '{r.kind}'")


def _maxshift(module: BitLinear, r: requant.MaxShift) -> Op:  # noqa: ARG001 (one signature for all)
    return MaxShift(r.lo, r.hi)


def _shift(module: BitLinear, r: requant.Shift) -> Op:  # noqa: ARG001
    return Shift(r.exponent(), r.lo, r.hi, _integers(r.bias_integers()))


def _mulshift(module: BitLinear, r: requant.MulShift) -> Op:
    m, b, s = r.constants(module.acc_max(module.levels()))
    return MulShift(r.lo, r.hi, _integers(m), _integers(b), _integers(s))


REQUANT_OPS: dict[type[nn.Module], Callable[[Any, Any], Op]] = {
    requant.MaxShift: _maxshift,
    requant.Shift: _shift,
    requant.MulShift: _mulshift,
}


def _lower_nothing(path: str, module: nn.Module) -> list[Step]:  # noqa: ARG001
    return []


def _refuse_conv(path: str, module: BitConv2d) -> list[Step]:  # noqa: ARG001
    raise HalfbyteError(f"{path}: BitConv2d trains but cannot be exported yet; use BitLinear")


LOWER: dict[type[nn.Module], Callable[[str, Any], list[Step]]] = {
    Input: _lower_input,
    BitLinear: _lower_linear,
    BitConv2d: _refuse_conv,
    nn.Flatten: _lower_nothing,
    nn.Identity: _lower_nothing,
    nn.Dropout: _lower_nothing,
}

INSTEAD: dict[type[nn.Module], str] = {
    nn.Linear: "hb.BitLinear",
    nn.Conv2d: "hb.BitLinear",
    nn.ReLU: "nothing: BitLinear's unsigned activations are already max(0, .)",
    nn.BatchNorm1d: "hb.BitLinear(..., norm='batch', requant='mulshift')",
    nn.LayerNorm: "hb.BitLinear(..., norm='rms')",
    nn.RMSNorm: "hb.BitLinear(..., norm='rms')",
    nn.Softmax: "nothing: the class is the largest score",
    nn.LogSoftmax: "nothing: the class is the largest score",
}


def _kind(module: nn.Module) -> str:
    return type(module).__name__


def _lower_module(path: str, module: nn.Module) -> list[Step]:
    try:
        return LOWER[type(module)](path, module)
    except KeyError:
        instead = f"; use {INSTEAD[type(module)]}" if type(module) in INSTEAD else ""
        raise HalfbyteError(f"{path}: {_kind(module)} cannot be exported{instead} (supported: {SUPPORTED})") from None


def tapped_run(
    model: nn.Module, taps: dict[str, Tap], raw: npt.NDArray[np.integer]
) -> dict[str, npt.NDArray[np.int64]]:
    """Every tensor of the graph as PyTorch's eval() computes it for raw samples.  # name: (n, *its shape)"""
    tensors: dict[str, npt.NDArray[np.int64]] = {}

    def record(tap: Tap, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001
            value = (output if tap.output else inputs[0]).double()
            integers = value.to(torch.int64)
            if not torch.equal(integers.double(), value):
                raise HalfbyteError(f"{name}: PyTorch's eval() gives values that are no integers")
            tensors[name] = integers.cpu().numpy()

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
