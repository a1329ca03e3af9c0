# SPDX-License-Identifier: Apache-2.0
"""Every vector of SPEC.md and of ctests/vectors.txt through the NumPy reference, the packer and PyTorch's layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support import ROOT, integers, read_vectors, vector_id

from exporter.ops import AddBias, InputShift, Linear, MaxShift, MulShift, ResizeArea, Shift
from exporter.ops.resize_area import reciprocal
from exporter.pack import pack, row_bytes, unpack
from training import requant
from training.errors import HalfbyteError
from training.formats import FORMATS, get_format
from training.layers import Input
from training.layers import ResizeArea as TorchResizeArea

SPEC = read_vectors(ROOT / "SPEC.md")
MADE = read_vectors(ROOT / "ctests" / "vectors.txt")
RAW = {"u8": "uint8", "i8": "int8", "i16": "int16"}


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
    assert len(SPEC) >= 17
    assert len(MADE) >= 170
    kinds = {v["op"] for v in SPEC + MADE}
    shifts = {f"input_shift_{suffix}" for suffix in RAW}
    others = {"resize_area", "maxshift", "shift", "mulshift", "add_bias", "argmax"}
    assert kinds == {f"linear_{name}" for name in FORMATS} | shifts | others


def test_every_operation_of_the_spec_has_a_vector_in_it():
    assert {f"linear_{name}" for name in FORMATS} <= {v["op"] for v in SPEC}


@of("linear_")
def test_linear(v):
    fmt, (n_in,), (n_out,) = get_format(v["op"].removeprefix("linear_")), v["n_in"], v["n_out"]
    rows = np.asarray(v["w"], np.uint8).reshape(n_out, row_bytes(fmt, n_in))
    levels = ints(v["levels"]).reshape(n_out, n_in)
    assert np.array_equal(unpack(fmt, rows, n_in), levels)
    assert run(Linear(fmt.name, levels), v["x"]) == v["y"]


def test_packing_gives_the_bytes_of_all_vectors_but_those_with_other_padding():
    padded = 0
    vectors = [v for v in SPEC + MADE if v["op"].startswith("linear_")]
    for v in vectors:
        fmt = get_format(v["op"].removeprefix("linear_"))
        levels = ints(v["levels"]).reshape(v["n_out"][0], v["n_in"][0])
        padded += pack(fmt, levels).ravel().tolist() != v["w"]
    assert padded <= len(FORMATS)
    assert len(vectors) > 10 * len(FORMATS)


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
