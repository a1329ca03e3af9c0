# SPDX-License-Identifier: Apache-2.0
"""No kernel gets slower: exact counts beside those that were recorded; and what `auto` makes of them."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from torch import nn

from exporter.chips import choice, speed
from exporter.chips.chip import load_chip
from exporter.chips.choice import Cost, first_choice, key
from exporter.chips.isa import ISAS
from exporter.chips.storing import give_way
from exporter.chips.untrained import export_untrained
from exporter.codecs import CODECS
from exporter.export import export
from exporter.variants import PORTABLE
from training.formats import FORMATS
from training.layers import BitConv2d, BitLinear, Input

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
pytest.importorskip("unicorn", reason="the emulator is not installed")
SLACK = 1.02
SYM4 = {"hb_linear_sym4": (9.0, 500), "hb_linear_sym4_mul": (2.0, 900)}
AGAIN = "run: halfbyte bench kernels --record"
VARIANTS = [(name, variant) for name in speed.CHIPS for variant in (PORTABLE, *ISAS[load_chip(name).isa].variants)]


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
@pytest.mark.parametrize("layer", list(speed.LAYERS))
def test_no_count_is_worse_than_the_recorded_one(name, variant, layer):
    chip = load_chip(name)
    recorded = choice.costs()[chip.isa]
    for row in speed.count(chip, layer, variant, speed.AT):
        name = key(layer, row.kernel)
        assert name in recorded, f"{name} is new; {AGAIN}"
        now, before = row.instructions, recorded[name].instructions
        assert now <= SLACK * before, f"{row.kernel} on {name} takes {now:.2f} instructions a weight, {before} recorded"


@pytest.fixture
def graph(tmp_path):
    return export_untrained(speed.network("linear", ("sym4", "binary")), tmp_path).graph


def costs(monkeypatch, **table):
    found = {key("linear", name): Cost(*cost) for name, cost in table.items()}
    monkeypatch.setattr(choice, "costs", lambda: {load_chip("stm32g030").isa: found})


def test_auto_takes_what_was_measured_to_be_fastest(graph, monkeypatch):
    chip = load_chip("stm32g030")
    costs(
        monkeypatch,
        hb_linear_sym4=(9.0, 500),
        hb_linear_sym4_mul=(2.0, 900),
        hb_linear_binary=(1.0, 400),
        hb_linear_binary_mul=(3.0, 900),
    )
    sym4, binary = (node.name for node in graph.nodes if node.op.format_name() in {"sym4", "binary"})
    assert first_choice(graph, chip, "auto")[sym4] == "mul"
    assert binary not in first_choice(graph, chip, "auto")
    assert first_choice(graph, chip, "mul")[binary] == "mul"
    assert first_choice(graph, chip, PORTABLE) == {}


def test_what_costs_least_for_its_bytes_gives_way_first_and_in_the_end_nothing_can(graph, monkeypatch):
    chip = load_chip("stm32g030")
    costs(
        monkeypatch,
        hb_linear_sym4=(9.0, 500),
        hb_linear_sym4_mul=(2.0, 900),
        hb_linear_binary=(3.0, 400),
        hb_linear_binary_mul=(2.0, 900),
    )
    sym4, binary = (node.name for node in graph.nodes if node.op.format_name() in {"sym4", "binary"})
    chosen = graph.with_kernels(first_choice(graph, chip, "auto"))
    assert {sym4, binary} <= set(chosen.kernels)
    once = give_way(chosen, chip)
    assert once is not None
    assert binary not in once
    assert once[sym4] == "mul"
    twice = give_way(graph.with_kernels(once), chip)
    assert twice is not None
    assert sym4 not in twice
    assert give_way(graph.with_kernels(twice), chip) is None
    assert give_way(chosen, chip, over=500) == once  # binary saves 500 bytes
    assert give_way(chosen, chip, over=501) == give_way(chosen, chip, over=5000) == twice


def test_every_format_has_a_record_on_every_core():
    for name in speed.CHIPS:
        assert {key("linear", f"hb_linear_{name}") for name in FORMATS} <= set(choice.costs()[load_chip(name).isa])


def test_what_can_only_be_portable_does_not_give_way_for_ever(tmp_path, monkeypatch):
    options = {"requant": "mulshift", "padding": 1, "format": "int8"}
    layers = OrderedDict(
        input=Input((2, 4, 4), channels="first", shift=1),
        conv=BitConv2d(2, 4, 3, **options),  # a depthwise convolution reads its map: it is made channel by channel
        depthwise=BitConv2d(4, 4, 3, groups=4, **options),
        flatten=nn.Flatten(),
        last=BitLinear(64, 3, format="int8", requant=None),
    )
    graph = export(nn.Sequential(layers).eval(), "net", out=tmp_path).graph
    found = {key("conv", "hb_conv_int8"): Cost(9.0, 900), key("conv", "hb_linear_int8_mul"): Cost(2.0, 500)}
    monkeypatch.setattr(choice, "costs", lambda: {load_chip("stm32g030").isa: found})
    chosen = first_choice(graph, load_chip("stm32g030"), "auto")
    assert "conv" in chosen
    assert give_way(graph.with_kernels(chosen), load_chip("stm32g030")) is None


@pytest.mark.parametrize("name", ["ch32v003", "stm32g030"])
@pytest.mark.parametrize("codec", CODECS)
def test_no_codec_is_slower_than_the_recorded_one(name, codec):
    chip = load_chip(name)
    (row,) = speed.count_codec(chip, "linear", codec)
    recorded = choice.costs()[chip.isa][key("linear", row.kernel)]
    assert row.instructions <= SLACK * recorded.instructions, AGAIN
    assert row.bytes <= SLACK * recorded.bytes, AGAIN
