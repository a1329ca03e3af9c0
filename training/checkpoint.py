# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: safetensors with JSON metadata. No pickle is ever loaded."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from training import files
from training.errors import HalfbyteError
from training.formats import SPEC_VERSION
from training.layers import BitLayer

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write tensors and metadata, all or nothing."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({"spec": SPEC_VERSION, **metadata}, sort_keys=True)
    header = {"halfbyte": text, "sha256": _sha256(plain, text)}
    with files.replacing(path) as temporary:
        temporary.write_bytes(_with_sorted_metadata(safetensors.torch.save(plain, header)))


def _with_sorted_metadata(content: bytes) -> bytes:
    """The same file; safetensors writes metadata in an order that changes from process to process."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _sha256(tensors: dict[str, Tensor], text: str) -> str:
    """Of everything in a checkpoint: safetensors itself does not notice a flipped bit."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata; HalfbyteError where the file is missing, damaged, foreign or of another version."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if not {"halfbyte", "sha256"} <= header.keys():
            raise HalfbyteError(f"{path}: a safetensors file, but not a checkpoint of halfbyte")
        if _sha256(tensors, header["halfbyte"]) != header["sha256"]:
            raise HalfbyteError(f"{path}: damaged: its contents do not match its SHA-256; train again")
        metadata: dict[str, Any] = json.loads(header["halfbyte"])
    except FileNotFoundError:
        raise HalfbyteError(f"{path} does not exist; make it with: halfbyte train RECIPE --out FOLDER") from None
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        if isinstance(error, HalfbyteError):
            raise
        raise HalfbyteError(f"{path}: damaged or not a checkpoint ({error}); train again") from None
    if metadata.get("spec") != SPEC_VERSION:
        raise HalfbyteError(
            f"{path}: made for spec version {metadata.get('spec')}, this is {SPEC_VERSION}; train again"
        )
    return tensors, metadata


def restore(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Load a model's tensors and put it into eval(); HalfbyteError names the first that does not belong.

    eval() comes first: on the way into it clip scales follow the weights, and a saved one must stay as it was saved.
    """
    model.eval()
    _shape_like(model, tensors)
    own = model.state_dict()
    for name in own.keys() ^ tensors.keys():
        what = "missing from" if name in own else "unknown in"
        raise HalfbyteError(f"{path}: tensor '{name}' is {what} the checkpoint; it belongs to another recipe")
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise HalfbyteError(
                f"{path}: tensor '{name}' has shape {tuple(tensor.shape)}, the recipe's model {tuple(own[name].shape)}"
            )
        if not torch.isfinite(tensor).all():
            raise HalfbyteError(f"{path}: tensor '{name}' has values that are not finite; train again")
    model.load_state_dict(tensors)


def _shape_like(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Masks and bits of rows are tensors of the layers that were given them, and of no other."""
    for name, layer in model.named_modules():
        if not isinstance(layer, BitLayer):
            continue
        if (mask := tensors.get(f"{name}.mask")) is not None:
            layer.prune(mask)
        if f"{name}.row_bits.bits" in tensors and layer.row_bits is None:
            layer.learn_bits()


def flatten(prefix: str, value: Any) -> dict[str, Tensor]:  # noqa: ANN401 (an optimizer's state is what it is)
    """Nested dicts of tensors and numbers as one dict of tensors, keys joined by '/'."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in flatten(f"{prefix}/{key}", inner).items()}
    return {prefix: torch.as_tensor(value)}


def unflatten_state(tensors: dict[str, Tensor], prefix: str) -> dict[int, dict[str, Tensor]]:
    """Optimizer state {parameter index: {name: tensor}} out of keys '<prefix>/<index>/<name>'."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(f"{prefix}/"):
            index, name = key.removeprefix(f"{prefix}/").split("/")
            state.setdefault(int(index), {})[name] = tensor
    return state
