# SPDX-License-Identifier: Apache-2.0
"""The models that ship, on every emulated chip."""

from __future__ import annotations

import pytest
from support import ROOT, needs_emulator

from exporter.chips.chip import chip_names, load_chip
from exporter.chips.emulate import emulate, row
from exporter.chips.image import Options, load_graph
from exporter.verify import random_samples

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
pytest.importorskip("unicorn", reason="the emulator is not installed")

MODELS = sorted(path.parent for path in (ROOT / "models").glob("*/graph.json"))


def chips_for(folder):
    """All of them, for a convolutional network two: it takes ten times as many instructions, and docs/ has the rest."""
    convolutional = any(node.op.kind == "conv" for node in load_graph(folder).nodes)
    return ("ch32v002", "stm32g030") if convolutional else chip_names()


@pytest.mark.parametrize(
    ("folder", "name"),
    [(folder, name) for folder in MODELS for name in chips_for(folder)],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_shipped_model_is_bit_exact_on_every_chip_it_fits(folder, name):
    needs_emulator(load_chip(name))
    found = row(folder, load_chip(name), random_samples(load_graph(folder), 3), Options())
    assert (found["note"], found["images"], found["mismatches"]) in {("", 3, 0), ("does not fit", None, None)}


def test_mnist_fc_12k_with_the_app_fits_16_kb_of_flash_and_2_kb_of_ram():
    folder = ROOT / "models" / "mnist-fc-12k"
    report = emulate(folder, load_chip("ch32v003"), random_samples(load_graph(folder), 3), Options())
    assert report.mismatches == 0
    assert report.flash <= 16384
    assert report.ram + report.stack_bound <= 2048


def test_mnist_fc_12k_with_the_app_fits_an_arduino_uno():
    folder, uno = ROOT / "models" / "mnist-fc-12k", load_chip("atmega328p")
    needs_emulator(uno)
    report = emulate(folder, uno, random_samples(load_graph(folder), 3), Options())
    assert report.mismatches == 0
    assert report.flash <= 20 * 1024
    assert report.ram + report.stack_bound <= 1536
    assert report.cycles < 200_000  # 8.1 ms at 16 MHz


def test_mnist_cnn_4k_runs_in_4_kb_of_ram_with_the_app():
    folder = ROOT / "models" / "mnist-cnn-4k"
    if folder not in MODELS:
        pytest.skip("models/mnist-cnn-4k is not there")
    report = emulate(folder, load_chip("ch32v002"), random_samples(load_graph(folder), 3), Options())
    assert report.mismatches == 0
    assert report.ram + report.stack_bound <= 4096
