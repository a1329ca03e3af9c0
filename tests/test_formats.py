# SPDX-License-Identifier: Apache-2.0
"""Formats against the table of SPEC 3, packing against its own inverse and a naive packer, rounding to levels."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from strategies import level_matrices
from support import ROOT

from exporter.pack import pack, row_bytes, unpack
from training.errors import HalfbyteError
from training.formats import FORMATS, Format, get_format
from training.quantize import fake_quantize, nearest_level

all_formats = pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda fmt: fmt.name)


def spec_table() -> dict[str, tuple[dict[int, int], float]]:
    """SPEC 3: name -> (level of each code, bits)."""
    section = (ROOT / "SPEC.md").read_text(encoding="utf-8").split("## 3. Formats")[1].split("## 4.")[0]
    lines = re.findall(r"^\|.*\|$", section, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: (dict(spec_levels(codes, level)), float(bits)) for name, codes, level, bits in rows[2:]}


def spec_levels(codes: str, level: str):
    numbers = [int(n) for n in re.findall(r"\d+", codes)]
    excluded = numbers.pop() if "but" in codes else None
    if re.fullmatch(r"[-\d ]+", level):
        return enumerate(map(int, level.split()))
    python = {"c as two's complement": "c - 256 * (c > 127)"}.get(level, level)
    python = re.sub(r"\((.*?) \? (.*?) : (.*?)\)", r"(\2 if \1 else \3)", python)
    python = re.sub(r"(\d)c", r"\1*c", python).replace("^", "**")
    return [(c, eval(python, {"c": c})) for c in range(numbers[0], numbers[-1] + 1) if c != excluded]


def test_the_formats_are_those_of_the_spec_code_by_code():
    table = spec_table()
    assert list(table) == list(FORMATS)
    for name, (level_of_code, bits) in table.items():
        fmt = FORMATS[name]
        assert dict(zip(fmt.codes, fmt.levels, strict=True)) == level_of_code
        assert fmt.bits == bits


@all_formats
def test_levels_ascend_and_their_codes_lead_back_to_them(fmt: Format):
    levels = np.asarray(fmt.levels)
    assert (np.diff(levels) > 0).all()
    assert np.array_equal(fmt.level_of_code[fmt.code_of_level(levels)], levels)
    assert fmt.max_level == np.abs(levels).max()


@all_formats
def test_what_is_no_level_has_no_code(fmt: Format):
    for wrong in {fmt.levels[0] - 1, fmt.levels[-1] + 1, *range(-140, 140)} - set(fmt.levels):
        with pytest.raises(HalfbyteError, match=f"{wrong} is not a level of {fmt.name}"):
            fmt.code_of_level(np.asarray([fmt.levels[0], wrong]))


def test_an_unknown_format_is_answered_with_the_known_ones():
    with pytest.raises(HalfbyteError, match=r"unknown weight format 'sym3'; there are binary, ternary"):
        get_format("sym3")


def nearest_brute_force(z: np.ndarray, fmt: Format) -> np.ndarray:
    levels = np.asarray(fmt.levels[::-1], np.float64)  # descending: argmin takes the higher of two equals
    return levels[np.abs(z[:, None] - levels).argmin(axis=1)]


@all_formats
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_takes_the_nearest_level_and_the_higher_one_on_a_tie(fmt: Format, dtype: torch.dtype):
    grid = np.arange(-160, 160.25, 0.25)  # every boundary of every format lies on it
    assert set(fmt.boundaries) <= set(grid)
    assert np.array_equal(nearest_level(torch.tensor(grid, dtype=dtype), fmt).numpy(), nearest_brute_force(grid, fmt))


@all_formats
def test_rounding_of_any_number_is_the_nearest_level_unless_it_lies_within_rounding_of_a_boundary(fmt: Format, rng):
    z = (rng.standard_normal(20_000) * fmt.max_level).astype(np.float32)
    clear = np.abs(z[:, None] - fmt.boundaries).min(axis=1) > 1e-4
    assert clear.mean() > 0.9
    found = nearest_level(torch.tensor(z), fmt).numpy()
    assert np.array_equal(found[clear], nearest_brute_force(z, fmt)[clear])
    assert set(found.astype(int)) <= set(fmt.levels)


@all_formats
def test_numbers_far_outside_take_the_outermost_level(fmt: Format):
    found = nearest_level(torch.tensor([-1e30, -float("inf"), 1e30, float("inf")]), fmt)
    assert found.tolist() == [fmt.levels[0]] * 2 + [fmt.levels[-1]] * 2


@all_formats
def test_the_gradient_of_rounding_is_one_inside_and_shrinks_with_size_outside(fmt: Format):
    c = fmt.max_level
    z = torch.tensor([0.3, -0.9 * c, c, 2.0 * c, -4.0 * c], requires_grad=True)
    fake_quantize(z, fmt).sum().backward()
    assert z.grad.tolist() == [1, 1, 1, 0.5, 0.25]


def naive_pack(fmt: Format, codes: list[int]) -> list[int]:
    """SPEC 4, with one big integer for a row."""
    if fmt.name == "ternary":
        codes = codes + [0] * (-len(codes) % 5)
        fives = [codes[i : i + 5] for i in range(0, len(codes), 5)]
        return [-(-256 * int("".join(map(str, five)), 3) // 243) for five in fives]
    bits = int(fmt.bits)
    row = sum(code << bits * i for i, code in enumerate(codes))
    return list(row.to_bytes(-(-len(codes) * bits // 8), "little"))


@given(level_matrices())
def test_packed_rows_are_those_of_the_spec_and_unpack_to_the_same_levels(drawn):
    fmt, levels = drawn
    packed = pack(fmt, levels)
    assert packed.dtype == np.uint8
    assert packed.shape == (len(levels), row_bytes(fmt, levels.shape[1]))
    assert packed.tolist() == [naive_pack(fmt, fmt.code_of_level(row).tolist()) for row in levels]
    assert np.array_equal(unpack(fmt, packed, levels.shape[1]), levels)


@all_formats
def test_every_width_from_1_to_300_packs_and_unpacks(fmt: Format, rng):
    for n_in in range(1, 301):
        levels = rng.choice(np.asarray(fmt.levels), (2, n_in))
        packed = pack(fmt, levels)
        per_byte = {"ternary": 5}.get(fmt.name)
        assert packed.shape[1] == (-(-n_in // per_byte) if per_byte else -(-n_in * int(fmt.bits) // 8))
        assert np.array_equal(unpack(fmt, packed, n_in), levels)


def test_all_243_values_of_five_trits_are_different_bytes_that_decode_by_multiplication():
    ternary = FORMATS["ternary"]
    codes = np.stack(np.meshgrid(*[range(3)] * 5, indexing="ij"), -1).reshape(-1, 5)
    packed = pack(ternary, codes - 1)
    assert len(np.unique(packed)) == 243
    for byte, expected in zip(packed[:, 0].tolist(), codes.tolist(), strict=True):
        trits, rest = [], byte
        for _ in range(5):
            trits.append(3 * rest >> 8)
            rest = 3 * rest & 255
        assert trits == expected
