# SPDX-License-Identifier: Apache-2.0
"""Convolutional networks on emulated chips: every layer of every plan, counts by stage, code of stages in its place."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from support import HOSTED, needs_emulator, needs_gcc
from torch import nn

from exporter.chips.chip import chip_names, load_chip
from exporter.chips.emulate import emulate
from exporter.chips.image import Options, build, kernel_code
from exporter.codegen import layer_functions
from exporter.export import export
from exporter.randommaps import Branches, Residual
from exporter.verify import random_samples
from training.formats import FORMATS
from training.layers import Activation, Add, AvgPool2d, BitConv2d, BitLinear, Concat, GlobalAvgPool, Input

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
pytest.importorskip("unicorn", reason="the emulator is not installed")

PLANS = ("rows", "channels", "layer")


def conv(n_in: int, n_out: int, fmt: str, **options) -> BitConv2d:
    options = {"requant": "mulshift", "padding": 1, **options}
    return BitConv2d(n_in, n_out, options.pop("size", 3), format=fmt, **options)


def every_map() -> nn.Sequential:
    """Every format as a convolution, every operation on maps."""
    layers = OrderedDict(
        input=Input((2, 9, 9), channels="first", shift=1),
        conv=conv(2, 4, "int8"),
        depthwise=conv(4, 4, "sym2", groups=4),
        pool=nn.MaxPool2d(2),
        residual=Residual(
            conv(4, 4, "ternary", requant="shift", signed=True), shortcut=nn.Identity(), add=Add(signed=True)
        ),
        table=Activation("hardswish", unit_in=20.0, signed_in=True),
        grouped=conv(4, 6, "int4", groups=2, size=(1, 3), padding=(0, 1)),
        branches=Branches(conv(6, 3, "nf4"), conv(6, 3, "shift4", size=1, padding=0), concat=Concat()),
        mean=AvgPool2d(3, stride=1, padding=1),
        sym5=conv(6, 5, "sym5", stride=2),
        binary=conv(5, 5, "binary"),
        sums=conv(5, 6, "sym4", requant="maxshift"),
        gap=GlobalAvgPool(),
        last=BitLinear(6, 3, format="sym4", requant=None),
    )
    return nn.Sequential(layers).eval()


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The network as each plan runs it."""
    model = every_map()
    return {plan: export(model, "maps", out=tmp_path_factory.mktemp(plan), plan=plan) for plan in PLANS}


@pytest.fixture(scope="module")
def samples(planned):
    return random_samples(planned["rows"].graph, 2)


def bit_exact(exported, chip, samples, **options):
    needs_emulator(chip)
    if options.get("toolchain") == "gcc":
        needs_gcc(chip)
    report = emulate(exported.folder, chip, samples, Options(samples=0, **options))
    assert report.first is None
    assert report.mismatches == 0
    assert report.stack <= report.stack_bound or chip.name in HOSTED
    assert not [name for name in report.functions if ("div" in name and not name.startswith("hb_")) or "mem" in name]
    return report


def test_the_network_has_every_format_and_each_plan_is_another(planned):
    graph = planned["rows"].graph
    assert {node.op.format for node in graph.nodes if node.op.kind == "conv"} == set(FORMATS)
    ways = {plan: {group.way for group in exported.plan.groups} for plan, exported in planned.items()}
    assert ways == {"rows": {"rows", "layer"}, "channels": {"channels", "layer"}, "layer": {"layer"}}


@pytest.mark.parametrize("name", chip_names())
def test_every_layer_is_bit_exact_on_every_chip(planned, samples, name):
    bit_exact(planned["rows"], load_chip(name), samples)


@pytest.mark.parametrize("name", ["ch32v003", "stm32g030", "atmega328p"])
def test_means_that_no_multiplier_makes_are_bit_exact(name, tmp_path):
    model = nn.Sequential(
        Input((1, 20, 20), channels="first"),
        conv(1, 2, "int8", signed=True, padding=0),  # (2, 18, 18)
        AvgPool2d(19, stride=(4, 1), padding=9),  # (2, 5, 18)
        conv(2, 3, "int8", signed=True, size=1, padding=0),
        nn.Flatten(),
        BitLinear(270, 3, requant=None),
    )
    exported = export(model.eval(), "maps", out=tmp_path)
    report = bit_exact(exported, load_chip(name), random_samples(exported.graph, 2))
    assert "hb_avgpool_divide" in report.functions


@pytest.mark.parametrize("name", ["ch32v003", "stm32f411", "atmega328p"])
def test_every_layer_is_bit_exact_by_channels_under_gcc(planned, samples, name):
    bit_exact(planned["channels"], load_chip(name), samples, toolchain="gcc")


@pytest.mark.parametrize(("name", "way"), [("ch32v002", "2"), ("rp2040", "mix")])
def test_code_for_speed_is_bit_exact_too(planned, samples, name, way):
    bit_exact(planned["layer"], load_chip(name), samples, compile=way)


@pytest.mark.parametrize(("name", "plan"), [("ch32v002", "rows"), ("stm32g030", "channels"), ("atmega328p", "layer")])
def test_counts_of_stages_add_up_and_stand_at_their_first_operation(planned, samples, name, plan):
    exported = planned[plan]
    report = bit_exact(exported, load_chip(name), samples[:1])
    counts = {layer.name: layer.instructions for layer in report.layers}
    stages = [stage for group in exported.plan.groups for stage in group.stages]
    assert sum(counts[stage.main.name] for stage in stages) == report.instructions == sum(report.functions.values())
    assert counts["input"] == report.input_instructions
    behind = {node.name for stage in stages for node in stage.nodes[1:]}
    assert {layer for layer, count in counts.items() if count is None} == behind
    functions = layer_functions(exported.graph, exported.plan)
    for function, stage in zip(functions, stages, strict=True):  # a stage takes longer than its own function
        assert counts[stage.main.name] > report.functions[function] > 0


@pytest.mark.parametrize(("plan", "compiler"), [("rows", "zig"), ("channels", "gcc")])
def test_stages_are_kernels_and_run_from_ram_with_them(planned, samples, plan, compiler):
    chip, exported = load_chip("stm32f411"), planned[plan]
    if compiler == "gcc":
        needs_gcc(chip)
    stages = set(layer_functions(exported.graph, exported.plan))
    for kernels, memory in (("flash", chip.memory_of("code")), ("ram", chip.memory_of("data"))):
        image = build(exported.folder, chip, samples, Options(compiler, samples=0, kernels=kernels))
        ranges = kernel_code(image.elf)
        inside = {
            function.name
            for function in image.elf.functions
            if any(begin <= function.address < end for begin, end in ranges)
            and memory.origin <= function.address < memory.end
        }
        assert stages | {f"hb_{exported.graph.name}_run", "hb_rows"} <= inside
        assert not {"main", "hb_serve", "hb_crc"} & inside
    bit_exact(exported, chip, samples[:1], toolchain=compiler, kernels="ram")
