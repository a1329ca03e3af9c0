# SPDX-License-Identifier: Apache-2.0
"""Every vector of SPEC.md and of ctests/vectors.txt through the NumPy reference, the packer and PyTorch's layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support import ROOT, integers, read_vectors, vector_id
from torch.nn import functional

from exporter import ops
from exporter.codecs import CODECS
from exporter.ops import AddBias, InputShift, LayerNorm, Linear, MaxShift, MulShift, ResizeArea, RMSNorm, Shift
from exporter.ops.resize_area import reciprocal
from exporter.pack import pack, row_bytes, unpack
from training import requant
from training.errors import HalfbyteError
from training.formats import FORMATS, get_format
from training.layers import Add, AvgPool2d, Concat, GlobalAvgPool, Input
from training.layers import ResizeArea as TorchResizeArea

SPEC = read_vectors(ROOT / "SPEC.md")
MADE = read_vectors(ROOT / "ctests" / "vectors.txt")
RAW = {"u8": "uint8", "i8": "int8", "i16": "int16"}
OTHERS = {"resize_area", "maxshift", "shift", "mulshift", "add_bias", "argmax"}
OTHERS |= {"maxpool", "avgpool", "global_average", "add", "concat", "lookup", "clip", "rmsnorm", "layernorm"}


def of(kind: str) -> Any:
    vectors = [v for v in SPEC + MADE if v["op"].startswith(kind)]
    return pytest.mark.parametrize("v", vectors, ids=vector_id)


def run(op, values: list[int]) -> list[int]:
    return op.reference(np.asarray([values], np.int64))[0].ravel().tolist()


def ints(values: list[int]) -> np.ndarray:
    return np.asarray(values, np.int64)


def torch_run(module: torch.nn.Module, values: list[int]) -> list[int]:
    return integers(module.eval()(torch.tensor([values], dtype=torch.float64), torch.zeros(len(values))))[0].tolist()


def test_there_are_as_many_vectors_as_there_were():
    assert len(SPEC) >= 27
    assert len(MADE) >= 300
    kinds = {v["op"] for v in SPEC + MADE}
    weighted = {f"{kind}_{name}" for kind in ("linear", "conv") for name in FORMATS}
    raw = {f"{kind}_{suffix}" for kind in ("input_shift", "input_planes") for suffix in RAW}
    assert kinds == weighted | raw | OTHERS | {f"codec_{name}" for name in CODECS}


def test_every_operation_of_the_spec_has_a_vector_in_it():
    ops = {v["op"] for v in SPEC}
    assert {f"linear_{name}" for name in FORMATS} | OTHERS <= ops
    assert all(any(op.startswith(kind) for op in ops) for kind in ("conv_", "input_shift_", "input_planes_"))


@of("codec_")
def test_codec(v):
    codec, shape = CODECS[v["op"].removeprefix("codec_")], (*v["n_out"], *v["n_in"])
    levels = ints(v["levels"]).reshape(shape)
    assert codec.pack(levels).tolist() == v["w"]
    assert np.array_equal(codec.unpack(np.asarray(v["w"], np.uint8), *shape), levels)
    assert run(Linear("int8", levels), v["x"]) == v["y"]


CODED = read_vectors(ROOT / "ctests" / "codec_vectors.txt")


def test_streams_that_were_packed_by_the_specification_alone_are_unpacked():
    assert {v["op"] for v in CODED} == {f"codec_{name}" for name in CODECS}
    for v in CODED:
        shape = *v["n_out"], *v["n_in"]
        found = CODECS[v["op"].removeprefix("codec_")].unpack(np.asarray(v["w"], np.uint8), *shape)
        assert found.tolist() == ints(v["levels"]).reshape(shape).tolist()


@of("linear_")
def test_linear(v):
    fmt, (n_in,), (n_out,) = get_format(v["op"].removeprefix("linear_")), v["n_in"], v["n_out"]
    rows = np.asarray(v["w"], np.uint8).reshape(n_out, row_bytes(fmt, n_in))
    levels = ints(v["levels"]).reshape(n_out, n_in)
    assert np.array_equal(unpack(fmt, rows, n_in), levels)
    assert run(Linear(fmt.name, levels), v["x"]) == v["y"]


def test_packing_gives_the_bytes_of_all_vectors_but_those_with_other_padding():
    padded = 0
    vectors = [v for v in SPEC + MADE if v["op"].startswith(("linear_", "conv_"))]
    for v in vectors:
        fmt = get_format(v["op"].partition("_")[2])
        levels = ints(v["levels"]).reshape(v["n_out"][0], -1)
        padded += pack(fmt, levels).ravel().tolist() != v["w"]
    assert padded <= 2 * len(FORMATS)
    assert len(vectors) > 16 * len(FORMATS)


@of("resize_area")
def test_resize_area(v):
    in_size, out_size = (*v["in_h"], *v["in_w"]), (*v["out_h"], *v["out_w"])
    module = TorchResizeArea(in_size, out_size)
    assert (*v["mul"], *v["shift"]) == reciprocal(module.area)
    x = ints(v["x"]).reshape(1, *in_size)
    assert ResizeArea(in_size, out_size, *v["mul"], *v["shift"]).reference(x).ravel().tolist() == v["y"]
    for dtype in (torch.float64, torch.float32):
        assert integers(module(torch.tensor(x, dtype=dtype))).ravel().tolist() == v["y"]


@pytest.mark.parametrize("area", [*range(1, 70), 100, 256, 266, 289, 324, 4096])
def test_the_reciprocal_of_an_area_is_the_smallest_that_divides_every_sum_exactly(area):
    sums = np.arange(255 * area + 1, dtype=np.int64)
    mul, shift = reciprocal(area)
    assert mul * int(sums[-1]) < 2**32
    assert np.array_equal(sums * mul >> shift, sums // area)
    assert not any(exact(sums, area, smaller) for smaller in range(shift))


def exact(sums: np.ndarray, area: int, shift: int) -> bool:
    mul = -(-(1 << shift) // area)
    return np.array_equal(sums * mul >> shift, sums // area) and mul * int(sums[-1]) < 2**32


@pytest.mark.parametrize("area", [267, 784, 999_999, 10**9])
def test_an_area_without_a_reciprocal_of_32_bits_is_refused_at_once(area):
    with pytest.raises(HalfbyteError, match=f"resize by area of {area} parts needs more than 32 bits"):
        reciprocal(area)
    sums = np.arange(255 * min(area, 1000) + 1, dtype=np.int64)
    assert area > 1000 or not any(exact(sums, area, shift) for shift in range(32))


@of("input_shift_")
def test_input_shift(v):
    dtype, (offset,), (shift,), (lo,), (hi,) = RAW[v["op"][12:]], v["offset"], v["shift"], v["lo"], v["hi"]
    assert run(InputShift(dtype, offset, shift, lo, hi), v["x"]) == v["y"]
    layer = Input((len(v["x"]),), dtype=dtype, offset=offset, shift=shift, signed=lo < 0)
    layer.lo, layer.hi = lo, hi  # the vectors have 4-bit ranges too
    raw = torch.tensor([v["x"]], dtype=getattr(torch, dtype))
    assert integers(layer.eval()(raw))[0].tolist() == v["y"]
    assert integers(layer.train()(raw))[0].tolist() == v["y"]


@of("maxshift")
def test_maxshift(v):
    (lo,), (hi,) = v["lo"], v["hi"]
    assert run(MaxShift(lo, hi), v["acc"]) == v["y"]
    module = requant.MaxShift(len(v["acc"]), bits=4 if hi == 15 else 8, signed=lo < 0)
    assert torch_run(module, v["acc"]) == v["y"]


@of("shift")
def test_shift(v):
    op = Shift(*v["s"], *v["lo"], *v["hi"], ints(v["b"]))
    assert run(op, v["acc"]) == v["y"]


@of("mulshift")
def test_mulshift(v):
    s = v.get("s")
    op = MulShift(*v["lo"], *v["hi"], ints(v["m"]), ints(v["b"]), ints(s))
    assert run(op, v["acc"]) == v["y"]


@of("add_bias")
def test_add_bias(v):
    assert run(AddBias(ints(v["b"])), v["acc"]) == v["y"]


@of("argmax")
def test_argmax_takes_the_lowest_index_on_a_tie(v):
    assert [int(np.argmax(v["y"]))] == v["index"]
    assert [int(torch.tensor(v["y"]).double().argmax())] == v["index"]


# ---- Maps ------------------------------------------------------------------


def as_map(values: list[int], shape: list[int]) -> torch.Tensor:
    """A map of SPEC.md as PyTorch has it.  # (1, channels, height, width)"""
    return torch.tensor(values, dtype=torch.float64).view(1, *shape).permute(0, 3, 1, 2)


def as_values(x: torch.Tensor) -> list[int]:
    """A map of PyTorch as SPEC.md has it."""
    return integers(x.permute(0, 2, 3, 1)).ravel().tolist()


def rounded(acc: np.ndarray, v: dict[str, list[int]]) -> np.ndarray:
    (s,), (lo,), (hi,) = v["s"], v["lo"], v["hi"]
    return np.clip((acc + (1 << s >> 1)) >> s, lo, hi)


@of("conv_")
def test_conv(v):
    fmt, (n_out,), (groups,), size = get_format(v["op"].removeprefix("conv_")), v["n_out"], v["groups"], v["size"]
    channels = v["in_shape"][2] // groups
    n_codes = size[0] * size[1] * channels
    levels = ints(v["levels"]).reshape(n_out, n_codes)
    rows = np.asarray(v["w"], np.uint8).reshape(n_out, row_bytes(fmt, n_codes))
    assert np.array_equal(unpack(fmt, rows, n_codes), levels)
    w = torch.tensor(levels, dtype=torch.float64).view(n_out, *size, channels).permute(0, 3, 1, 2)
    op = ops.Conv(*(tuple(v[key]) for key in ("in_shape", "size", "stride", "padding")), groups, fmt.name, levels)
    assert run(op, v["x"]) == v["y"]
    y = functional.conv2d(as_map(v["x"], v["in_shape"]), w, None, v["stride"], v["padding"], 1, groups)
    assert as_values(y) == v["y"]


@of("maxpool")
def test_maxpool(v):
    assert run(ops.MaxPool(*(tuple(v[key]) for key in ("in_shape", "size", "stride", "padding"))), v["x"]) == v["y"]
    module = torch.nn.MaxPool2d(v["size"], v["stride"], v["padding"])
    assert as_values(module(as_map(v["x"], v["in_shape"]))) == v["y"]


def check_mean(v: dict[str, list[int]], area: int) -> None:
    """Are base, offset, mul and shift those of SPEC 5.9, and exact for every sum?"""
    (base,), (offset,), (mul,), (shift,) = v["base"], v["offset"], v["mul"], v["shift"]
    assert base == 127 or (base == 0 and min(v["x"]) >= 0)
    assert offset == area // 2 + base * area
    every = np.arange(127 * area + offset + 1, dtype=np.int64)
    exact = [mul_of(area, s) * int(every[-1]) < 2**32 and is_quotient(every, area, s) for s in range(32)]
    assert (mul, shift) == ((mul_of(area, exact.index(True)), exact.index(True)) if any(exact) else (0, 0))


def mul_of(area: int, shift: int) -> int:
    return -(-(1 << shift) // area)


def is_quotient(v: np.ndarray, area: int, shift: int) -> bool:
    return np.array_equal(v * mul_of(area, shift) >> shift, v // area)


@of("avgpool")
def test_avgpool(v):
    check_mean(v, v["size"][0] * v["size"][1])
    window = (tuple(v[key]) for key in ("in_shape", "size", "stride", "padding"))
    assert run(ops.AvgPool(*window, *v["offset"], *v["mul"], *v["shift"], *v["base"]), v["x"]) == v["y"]
    module = AvgPool2d(tuple(v["size"]), tuple(v["stride"]), tuple(v["padding"])).eval()
    assert as_values(module(as_map(v["x"], v["in_shape"]))) == v["y"]


@of("global_average")
def test_global_average(v):
    check_mean(v, v["in_shape"][0] * v["in_shape"][1])
    shape = tuple(v["in_shape"])
    op = ops.AvgPool(shape, shape[:2], (1, 1), (0, 0), *v["offset"], *v["mul"], *v["shift"], *v["base"])
    assert op.is_global
    assert run(op, v["x"]) == v["y"]
    assert integers(GlobalAvgPool().eval()(as_map(v["x"], v["in_shape"])))[0].tolist() == v["y"]


@of("add")
def test_add(v):
    if v["op"] == "add":  # and not add_bias
        op = ops.Add((len(v["a"]),), *v["s"], *v["lo"], *v["hi"], ints(v["m"]))
        assert op.reference(ints(v["a"])[None], ints(v["b"])[None])[0].tolist() == v["y"]
        assert rounded(ints(v["a"]) * v["m"][0] + ints(v["b"]) * v["m"][1], v).tolist() == v["y"]


@of("concat")
def test_concat(v):
    (n_pixels,), ends = v["n_pixels"], np.cumsum(v["channels"])[:-1] * v["n_pixels"][0]
    inputs = [x.reshape(n_pixels, -1) for x in np.split(ints(v["x"]), ends)]
    op = ops.Concat((n_pixels, 1), *v["s"], *v["lo"], *v["hi"], ints(v["m"]))
    assert op.reference(*(x[None] for x in inputs))[0].ravel().tolist() == v["y"]
    y = np.concatenate([x * m for x, m in zip(inputs, v["m"], strict=True)], axis=1)
    assert rounded(y, v).ravel().tolist() == v["y"]


@pytest.mark.parametrize(
    "v", [v for v in SPEC + MADE if v["op"] in {"add", "concat"} and v["s"] == [12]], ids=vector_id
)
def test_the_layers_add_and_concatenate_alike(v):
    add = v["op"] == "add"
    layer = Add() if add else Concat(inputs=max(2, len(v["m"])))
    layer.gain = torch.nn.Parameter(torch.tensor(v["m"] if len(v["m"]) > 1 else v["m"] * 2, dtype=torch.float64) / 4096)
    (layer.lo,), (layer.hi,) = v["lo"], v["hi"]
    if add:
        inputs = [torch.tensor([v[name]], dtype=torch.float64) for name in "ab"]
        assert integers(layer.eval()(*inputs)).ravel().tolist() == v["y"]
    elif len(v["m"]) > 1:
        parts = torch.tensor(v["x"], dtype=torch.float64).split([n * v["n_pixels"][0] for n in v["channels"]])
        inputs = [x.view(1, -1, n).transpose(1, 2) for x, n in zip(parts, v["channels"], strict=True)]
        assert integers(layer.eval()(*inputs).transpose(1, 2)).ravel().tolist() == v["y"]


@of("lookup")
def test_lookup(v):
    assert run(ops.Lookup(*v["lo"], ints(v["table"])), v["x"]) == v["y"]
    assert ints(v["table"])[ints(v["x"]) - v["lo"][0]].tolist() == v["y"]


@of("clip")
def test_clip(v):
    assert run(ops.Clip(*v["lo"], *v["hi"]), v["x"]) == v["y"]
    assert np.clip(ints(v["x"]), v["lo"][0], v["hi"][0]).tolist() == v["y"]


@of("rmsnorm")
def test_rmsnorm(v):
    assert run(RMSNorm(v["c"][0], v["s"][0], v["lo"][0], v["hi"][0]), v["x"]) == v["y"]


@of("layernorm")
def test_layernorm(v):
    assert run(LayerNorm(v["c"][0], v["s"][0], v["lo"][0], v["hi"][0]), v["x"]) == v["y"]


@of("input_planes_")
def test_input_planes(v):
    planes = ints(v["x"]).reshape(v["channels"][0], v["n_pixels"][0])
    op = ops.InputPlanes(RAW[v["op"][13:]], *v["offset"], *v["shift"], *v["lo"], *v["hi"])
    assert op.reference(planes[None])[0].ravel().tolist() == v["y"]
    y = np.clip((planes.T + v["offset"][0]) >> v["shift"][0], v["lo"][0], v["hi"][0])
    assert y.ravel().tolist() == v["y"]
