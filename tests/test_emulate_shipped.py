# SPDX-License-Identifier: Apache-2.0
"""The models that ship, on every emulated chip."""

from __future__ import annotations

import numpy as np
import pytest
from support import ROOT, needs_emulator, needs_gcc

from exporter.chips.chip import chip_names, load_chip
from exporter.chips.emulate import emulate, row
from exporter.chips.image import Options, build
from exporter.export import export
from exporter.graph import load_graph
from exporter.runs import load_run, read_verified
from exporter.verify import random_samples
from training.errors import HalfbyteError

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
pytest.importorskip("unicorn", reason="the emulator is not installed")

NO_IMAGES = np.zeros((0, 28, 28), np.uint8)
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


CNN_4K = ROOT / "models" / "mnist-cnn-4k"


@pytest.mark.parametrize(
    ("name", "compiler", "rows"),
    [("ch32v002", "zig", "auto"), ("stm32c011", "zig", "rows"), ("stm32c011", "gcc", "rows")],
)
def test_mnist_cnn_4k_runs_in_4_kb_of_ram_with_the_app_and_the_stack(name, compiler, rows):
    if compiler == "gcc":
        needs_gcc(load_chip(name))
    report = emulate(CNN_4K, load_chip(name), random_samples(load_graph(CNN_4K), 1), Options(compiler, input=rows))
    assert report.mismatches == 0
    assert report.ram + report.stack_bound <= 4096


def test_rows_that_a_plan_does_not_take_are_refused_and_say_what_helps(tmp_path):
    with pytest.raises(HalfbyteError, match="memory plan of mnist_fc_12k needs the whole sample at once; leave it out"):
        build(ROOT / "models" / "mnist-fc-12k", load_chip("host"), NO_IMAGES, Options(samples=0, input="rows"))
    export(load_run(CNN_4K).model, "cnn", out=tmp_path, plan="layer")
    with pytest.raises(HalfbyteError, match="of cnn needs the whole sample at once; export it with plan rows"):
        build(tmp_path, load_chip("host"), NO_IMAGES, Options(samples=0, input="rows"))


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_a_shipped_model_was_verified_as_it_lies_there(folder):
    record = read_verified(folder, load_graph(folder).digest)
    assert record is not None, f"verify it again: halfbyte verify {folder}"
    assert record["mismatches"] == 0
