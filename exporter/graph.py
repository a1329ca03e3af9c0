# SPDX-License-Identifier: Apache-2.0
"""The integer graph: operations in the order they run, and nothing but integers in them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from exporter.codecs import CODECS, Codec
from exporter.ops import OPS, AvgPool, Conv, MaxPool, MulShift, Op, Shape, Shift
from exporter.variants import VARIANTS, Variant
from training.errors import HalfbyteError
from training.formats import SPEC_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from exporter.ops import Table

KERNELS: dict[str, Variant] = {**VARIANTS, **CODECS}  # what an operation's kernel may be, but the portable one


@dataclass(frozen=True, eq=False)
class Node:
    """An operation with its place in the graph.

    name    of the tensor it makes: the module's path, with the operation behind a dot where a module makes several
    inputs  names of the tensors it reads; "raw" is what enters the network
    variant of its kernel, or the codec of its weights; None: the portable one. No part of the network: its integers
            are the same
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    variant: Variant | None = None

    def kernel(self) -> str:
        """Name of the C function, and of its file."""
        if self.variant is None or self.by_plane:
            return self.op.kernel()
        op = self.op.as_linear() if self.by_pixel and isinstance(self.op, Conv) else self.op
        return self.variant.kernel(op)

    def channel_kernel(self) -> str:
        """Name of the requantizer for one channel of a map."""
        return f"{self.op.kernel()}_channel" + (f"_{self.variant.name}" if self.variant else "")

    @property
    def by_pixel(self) -> bool:
        """Is it a convolution that makes all channels of a pixel at once, as a linear layer of its window?"""
        op = self.op
        if self.variant is None or not isinstance(op, Conv) or op.fits_planes:
            return False
        return self.variant.weights(op) is not None

    @property
    def by_plane(self) -> bool:
        """Is it a convolution that a plane kernel can make where its group goes by channels?"""
        op = self.op
        return self.variant is not None and self.variant.planes and isinstance(op, Conv) and op.fits_planes

    def tables(self) -> Sequence[Table]:
        """Constants of the generated C."""
        weights = self.variant.weights(self.op) if self.variant else None
        return [weights if weights and table.suffix == "w" else table for table in self.op.tables()]

    def to_json(self) -> dict[str, Any]:
        """Name, input (a list where there are several) and operation."""
        return {
            "name": self.name,
            "input": self.inputs[0] if len(self.inputs) == 1 else self.inputs,
            **self.op.to_json(),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Node:
        """Inverse of `to_json`."""
        inputs = record["input"]
        inputs = (inputs,) if isinstance(inputs, str) else tuple(inputs)
        codec = CODECS[record["codec"]] if "codec" in record else None
        return cls(record["name"], OPS[record["op"]].from_json(record), inputs, codec)


@dataclass(frozen=True, eq=False)
class Graph:
    """A network as integers. Feature maps are (height, width, channels).

    name    C identifier
    dtype   of the raw values: uint8, int8 or int16
    shape   of one raw sample
    nodes   in the order they run; the last one makes the scores
    labels  names of the classes, may be empty
    """

    name: str
    dtype: str
    shape: Shape
    nodes: tuple[Node, ...]
    labels: tuple[str, ...] = field(default=())

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Shape of every tensor, by name."""
        shapes = {"raw": self.shape}
        for node in self.nodes:
            shapes[node.name] = node.op.out_shape(*(shapes[name] for name in node.inputs))
        return shapes

    @property
    def weight_bytes(self) -> int:
        """Bytes of every constant of the model."""
        return sum(table.nbytes for node in self.nodes for table in node.tables())

    def tuned(self, variants: Sequence[str]) -> Graph:
        """The same network, each operation with the first of these variants and codecs that has a kernel for it."""
        found = {node.name: _first(node.op, variants) for node in self.nodes}
        return self.with_kernels({name: variant.name for name, variant in found.items() if variant})

    def with_kernels(self, variants: Mapping[str, str]) -> Graph:
        """The same network with these variants and codecs by operation, portable where none is named."""
        by_node = {name: KERNELS[variant] for name, variant in variants.items()}
        nodes = tuple(replace(node, variant=by_node.get(node.name)) for node in self.nodes)
        one_by_one = {node.name for node in nodes if node.by_pixel and self._goes_on_by_channel(node.name)}
        return replace(self, nodes=tuple(replace(n, variant=None) if n.name in one_by_one else n for n in nodes))

    def _goes_on_by_channel(self, name: str) -> bool:
        """Does a depthwise convolution read the map? Then it may be made channel by channel, in far less memory."""
        ops = [(node.name, node.op) for node in self.readers(name)]
        return any(
            op.depthwise if isinstance(op, Conv) else _one_channel(op) and self._goes_on_by_channel(reader)
            for reader, op in ops
        )

    @property
    def kernels(self) -> dict[str, str]:
        """Operation -> variant or codec, where it is not the portable one."""
        return {node.name: node.variant.name for node in self.nodes if node.variant}

    @property
    def codecs(self) -> dict[str, str]:
        """Operation -> codec, where its weights are coded."""
        return {name: variant for name, variant in self.kernels.items() if variant in CODECS}

    @cached_property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 over input and operations: what makes two networks the same."""
        text = json.dumps([self.dtype, list(self.shape), self._records()], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _records(self) -> list[dict[str, Any]]:
        return [node.to_json() for node in self.nodes]

    def readers(self, name: str) -> list[Node]:
        """The operations that read a tensor."""
        return [node for node in self.nodes if name in node.inputs]

    def to_json(self) -> str:
        """One operation to a line, readable and stable to the byte."""
        head = {
            "spec": SPEC_VERSION,
            "digest": self.digest,
            "name": self.name,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "labels": list(self.labels),
        }
        records = [_with_codec(node) for node in self.nodes]
        nodes = ",\n".join("  " + json.dumps(record, separators=(",", ":")) for record in records)
        return json.dumps(head, indent=1, ensure_ascii=False)[:-2] + f',\n "nodes": [\n{nodes}\n ]\n}}\n'


def _with_codec(node: Node) -> dict[str, Any]:
    """Of graph.json: the codec stands there, too, but is no part of the digest."""
    codec = {"codec": node.variant.name} if isinstance(node.variant, Codec) else {}
    return {**node.to_json(), **codec}


def _one_channel(op: Op) -> bool:
    """Is a channel of its output made of one channel of its input?"""
    return isinstance(op, (MaxPool, AvgPool, MulShift, Shift)) or op.elementwise


def _first(op: Op, variants: Sequence[str]) -> Variant | None:
    """The first of the variants that has a kernel for the operation; None where it stays portable."""
    return next((v for v in map(KERNELS.__getitem__, variants) if v.serves(op)), None)


def read_graph(path: Path) -> Graph:
    """The graph in a file; HalfbyteError where it is missing, damaged, of another version, or was edited."""
    again = "write it again with: halfbyte export"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["spec"] != SPEC_VERSION:
            raise HalfbyteError(f"{path}: written for spec version {record['spec']}, this is {SPEC_VERSION}; {again}")
        nodes = tuple(map(Node.from_json, record["nodes"]))
        graph = Graph(record["name"], record["dtype"], tuple(record["shape"]), nodes, tuple(record["labels"]))
        digest, found = record["digest"], graph.digest
    except HalfbyteError:
        raise
    except FileNotFoundError:
        raise HalfbyteError(f"{path} does not exist; {again}") from None
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise HalfbyteError(f"{path}: not a graph of halfbyte ({error}); {again}") from None
    if found != digest:
        raise HalfbyteError(f"{path}: its contents do not match its digest {digest}; {again}")
    return graph


def load_graph(folder: Path) -> Graph:
    """The graph of an exported run, whose C must be of the same network."""
    if not folder.is_dir():
        raise HalfbyteError(f"{folder} is not a folder; make a run with: halfbyte run RECIPE --out {folder}")
    graph = read_graph(folder / "graph.json")
    header = folder / "c" / f"{graph.name}.h"
    if not header.is_file() or f'_DIGEST "{graph.digest}"' not in header.read_text(encoding="utf-8"):
        raise HalfbyteError(f"{header} is not of {folder}/graph.json; write it again with: halfbyte export {folder}")
    return graph


def has_recipe(folder: Path) -> bool:
    """Is it a run? What `halfbyte.export` writes has no recipe, so no test images."""
    return (folder / "recipe.toml").is_file()
