# SPDX-License-Identifier: Apache-2.0
"""Channels as planes: which groups run so, and that every layer of them has the integers of the reference."""

from __future__ import annotations

from typing import Any

import pytest
from support import compile_with, conv, map_network, needs_emulator, needs_sanitizers
from torch import nn

from exporter.chips.chip import load_chip
from exporter.chips.emulate import emulate
from exporter.chips.image import Options
from exporter.export import Exported, export
from exporter.ops import MulShift
from exporter.sanitized import keep, run_sanitized
from exporter.verify import random_samples
from training.formats import FORMATS
from training.layers import AvgPool2d, BitConv2d, BitLinear, Input

SIDE = 16


def image(channels: int = 1, side: int = SIDE, **options: Any) -> Input:
    return Input((channels, side, side), channels="first", **{"shift": 1, **options})


def depthwise(channels: int, **options) -> BitConv2d:
    return conv(channels, channels, groups=channels, padding=0, **options)


def first(n_out: int = 5, **options) -> BitConv2d:
    return conv(1, n_out, padding=0, **options)


def exported_by_channel(*layers: nn.Module, width: int, variants: tuple[str, ...] = ("mul",), **options) -> Exported:
    model = map_network(*layers, nn.Flatten(), BitLinear(width, 3, requant=None))
    return export(model, "net", plan="channels", variants=variants, **options)


def check(exported: Exported) -> None:
    compile_with(exported, "-O0", "-Werror")
    report = exported.compare(random_samples(exported.graph, 24))
    assert report.first is None, str(report.first)
    assert report.mismatches == 0


def units(exported: Exported) -> list[list[str]]:
    """The operations of each function of the groups that run as planes."""
    return [
        [stage.main.op.kind for stage in stages]
        for group in exported.plan.groups
        if group.units
        for stages in group.functions
    ]


def like_cnn_64(fmt: str = "int8") -> list[nn.Module]:
    layers = [first(format=fmt), depthwise(5, format=fmt), nn.MaxPool2d(2), depthwise(5, format=fmt), nn.MaxPool2d(2)]
    return [image(), *layers]


@pytest.mark.parametrize("fmt", FORMATS)
def test_convolutions_of_one_channel_run_as_planes_in_every_format(fmt):
    exported = exported_by_channel(*like_cnn_64(fmt), width=20)
    assert units(exported) == [["conv"], ["conv", "maxpool"], ["conv", "maxpool"]]
    check(exported)


@pytest.mark.parametrize(
    ("layers", "width", "expected"),
    [
        ([image(3), depthwise(3), nn.MaxPool2d(2)], 147, [["conv", "maxpool"]]),
        ([image(side=15), first(), nn.MaxPool2d(2)], 180, [["conv", "maxpool"]]),  # a row and a pixel left over
        ([image(), first(), depthwise(5)], 720, [["conv"], ["conv"]]),
        ([image(3), depthwise(3), depthwise(3)], 432, [["conv"], ["conv"]]),  # spans of every channel
        (
            [image(), first(), depthwise(5), nn.MaxPool2d(2), depthwise(5)],
            80,
            [["conv"], ["conv", "maxpool"], ["conv"]],
        ),
    ],
)
def test_other_stacks_that_run_as_planes(layers, width, expected):
    exported = exported_by_channel(*layers, width=width)
    assert units(exported) == expected
    check(exported)


@pytest.mark.parametrize(
    ("layers", "width"),
    [
        ([image(side=15), first(), depthwise(5)], 605),  # 13 pixels are not made two by two
        ([image(offset=-64, signed=True), first(), depthwise(5)], 720),  # pixels below 0
        ([image(), first(signed=True), depthwise(5)], 720),
        ([image(), first(), depthwise(5, requant="shift")], 720),
        ([image(), first(), depthwise(5, stride=2)], 180),
        ([image(), first(), conv(5, 5, groups=5)], 980),  # padding
        ([image(), first(), nn.MaxPool2d(3, 2)], 180),
        ([image(), first(), AvgPool2d(2)], 245),
        ([image(), conv(1, 5, 5, padding=0), depthwise(5)], 500),
    ],
)
def test_other_stacks_run_as_they_do_without_the_variant(layers, width):
    exported = exported_by_channel(*layers, width=width)
    assert exported.plan.groups[0].way == "channels"
    assert units(exported) == []
    check(exported)


def test_a_maximum_is_taken_of_the_sums_only_where_the_requantizer_never_falls():
    layers = like_cnn_64()
    layers[2].requant.gamma.data[1] *= -1  # behind which the first maximum is taken
    exported = exported_by_channel(*layers, width=20)
    assert any((node.op.m < 0).any() for node in exported.graph.nodes if isinstance(node.op, MulShift))
    assert units(exported) == []
    check(exported)


def test_a_requantizer_that_falls_may_be_a_plane_of_its_own():
    layers = like_cnn_64()
    layers[1].requant.gamma.data[1] *= -1
    exported = exported_by_channel(*layers, width=20)
    assert units(exported) == [["conv"], ["conv", "maxpool"], ["conv", "maxpool"]]
    check(exported)


def test_verification_notices_a_half_of_a_word_that_begins_too_low():
    layers = [image(), first(6), depthwise(6), nn.MaxPool2d(2)]
    exported = exported_by_channel(*layers, width=216)
    kernel = exported.folder / "c" / "hb_plane_mul.h"
    kernel.write_text(kernel.read_text().replace("own << 16 | own", "own"))
    report = exported.compare(random_samples(exported.graph, 24))
    assert report.first is not None
    assert report.first.layer == "1.mulshift"


def test_the_sanitizers_find_nothing_in_planes(tmp_path):
    needs_sanitizers()
    exported = exported_by_channel(*like_cnn_64(), width=20, out=tmp_path)
    keep(tmp_path, exported.graph, random_samples(exported.graph, 12))
    result = run_sanitized(tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize("name", ["ch32v002", "stm32g030", "stm32f411"])
def test_planes_on_a_chip_have_the_integers_of_every_layer(name, tmp_path):
    chip = load_chip(name)
    needs_emulator(chip)
    plain = exported_by_channel(*like_cnn_64(), width=20, variants=(), out=tmp_path)
    samples = random_samples(plain.graph, 3)
    reports = [
        emulate(plain.folder, chip, samples, Options(samples=0, compile="2", variant=variant))
        for variant in ("portable", "mul")
    ]
    assert [report.mismatches for report in reports] == [0, 0]
    assert reports[1].instructions * 4 < reports[0].instructions
