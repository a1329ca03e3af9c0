# SPDX-License-Identifier: Apache-2.0
"""docs/kernels.md and docs/yardstick.md, of rows made up."""

from __future__ import annotations

from dataclasses import replace

from exporter.chips.emulate import LayerCount
from exporter.chips.kernelpage import kernels_page, plot, yardstick_page
from exporter.chips.speed import CHIPS, Kernel
from exporter.chips.yardstick import Row

KERNELS = [
    Kernel("ch32v003", "linear", "sym4", "portable", "hb_linear_sym4", 0.5, 23.394, 1230),
    Kernel("ch32v003", "linear", "sym4", "nomul", "hb_linear_sym4_nomul", 0.5, 3.826, 764),
    Kernel("ch32v003", "linear", "sym4", "nomul", "hb_linear_sym4_nomul", 1.0, 9.999, 764),
    Kernel("ch32v003", "linear", "int8", "portable", "hb_linear_int8", 0.5, 36.54, 148),
    Kernel("ch32v003", "conv", "sym4", "portable", "hb_conv_sym4", 0.5, 27.3, 300),
    Kernel("ch32v003", "depthwise", "sym4", "portable", "hb_conv_sym4", 0.5, 45.01, 300),
]


def test_a_kernel_has_a_row_for_its_format_and_a_column_for_its_variant():
    page = kernels_page(KERNELS)
    linear, rest = page.split("## linear: instructions")[1].split("## conv")
    assert "| format | ch32v003 portable | ch32v003 nomul |" in linear
    assert "| sym4 | 23.39 | 3.83 |" in linear  # half of the activations are 0: not the dense count
    assert "| int8 | 36.54 | - |" in linear
    assert "| binary | - | - |" in linear
    assert "| sym4 | 27.30 |" in rest
    assert "| sym4 | 1,230 | 764 |" in rest.split("bytes of code")[1]


def test_the_picture_is_one(tmp_path):
    plot([replace(row, chip=chip) for chip in CHIPS for row in KERNELS], tmp_path / "kernels.png")
    assert (tmp_path / "kernels.png").read_bytes()[:4] == b"\x89PNG"


def test_a_network_stands_beside_the_public_kernels_and_its_limit():
    layers = (
        LayerCount("input", "input_shift", "-", 5, 0, "portable"),
        LayerCount("fc1", "linear", "sym4", 900, 0, "mul"),
        LayerCount("fc2", "linear", "sym4", None, 0, "portable"),
    )
    rows = [
        Row("net", chip, "zig -Os", 100, 1000 + at, 4500 if at else None, 700, 15_000, layers)
        for at, chip in enumerate(CHIPS)
    ]
    page = yardstick_page(rows)
    assert "over 100 of" in page
    assert "| net | 700 | 1,000 | 1,001 (4.5x) |" in page
    assert "| net | 15,000 |" in page.split("## Flash")[1]
    assert "| fc1 | 900 mul | 900 mul |" in page
    assert "| input |" not in page  # the input rule is not part of an inference
