# SPDX-License-Identifier: Apache-2.0
"""Images on emulated chips: every integer, exact counts, and a trap for everything that silicon would not bear."""

from __future__ import annotations

import importlib
import shutil
import signal
import zlib
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
from support import needs_emulator, needs_gcc
from torch import nn

from exporter.chips import protocol
from exporter.chips.chip import chip_names, load_chip
from exporter.chips.emulate import emulate
from exporter.chips.image import Options, build
from exporter.chips.machine import EmulationError, start
from exporter.chips.unicorn_machine import Machine
from exporter.export import export
from exporter.verify import random_samples
from training.errors import HalfbyteError
from training.formats import FORMATS
from training.layers import BitLinear, Input

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
pytest.importorskip("unicorn", reason="the emulator is not installed")

REQUANTS = ("maxshift", "shift", "mulshift")


@pytest.fixture(scope="module")
def every_format(tmp_path_factory):
    """A small network with every format, every requantizer, and a resize in front."""
    layers = OrderedDict(input=Input((6, 6), resize=(4, 4), shift=1), flatten=nn.Flatten())
    for index, name in enumerate(sorted(FORMATS)):
        width = 16 if index == 0 else 13
        layers[name] = BitLinear(width, 13, format=name, requant=REQUANTS[index % 3], signed=index % 2 == 1)
    layers["last"] = BitLinear(13, 5, format="sym4", requant=None)
    return export(nn.Sequential(layers).eval(), "every", out=tmp_path_factory.mktemp("every"))


@pytest.fixture(scope="module")
def samples(every_format):
    return random_samples(every_format.graph, 3)


@pytest.mark.parametrize("way", ["s", "2"])
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("name", chip_names())
def test_every_format_is_bit_exact_on_every_chip(every_format, samples, name, compiler, way):
    chip = load_chip(name)
    needs_emulator(chip)
    if compiler == "gcc":
        needs_gcc(chip)
    report = emulate(every_format.folder, chip, samples, Options(toolchain=compiler, compile=way))
    assert report.mismatches == 0
    assert report.first is None
    assert [layer.name for layer in report.layers] == [node.name for node in every_format.graph.nodes]
    assert 0 < report.stack <= report.stack_bound or name == "host"
    assert name == "host" or report.instructions > 1000
    assert report.text[-1] == "selftest ok"
    assert not [function for function in report.functions if "div" in function or "mem" in function]


def test_counts_add_up(every_format, samples):
    report = emulate(every_format.folder, load_chip("ch32v003"), samples[:1])
    layers = {layer.name: layer.instructions for layer in report.layers}
    raw = {node.name for node in every_format.graph.nodes if node.op.raw}
    assert sum(count for name, count in layers.items() if name not in raw) == report.instructions
    assert sum(count for name, count in layers.items() if name in raw) == report.input_instructions
    assert sum(report.functions.values()) == report.instructions


@pytest.mark.parametrize("name", ["ch32v003", "stm32g030"])  # single steps miss what an IT block skips
def test_counts_of_blocks_equal_counts_of_single_steps(every_format, samples, name):
    chip = load_chip(name)
    machine = Machine(chip, build(every_format.folder, chip, samples, Options(samples=0)).elf)
    machine.run()
    steps, before = [], machine._watch.total
    unicorn = pytest.importorskip("unicorn")
    machine.core.hook_add(unicorn.UC_HOOK_CODE, lambda *_: steps.append(1))
    machine.core.ctl_flush_tb()
    machine.run(protocol.frame(protocol.RUN, samples[0].tobytes()))
    assert machine._watch.total - before == len(steps)


def test_flipped_weights_are_found_and_named(every_format, samples, tmp_path):
    shutil.copytree(every_format.folder, tmp_path / "run")
    source = tmp_path / "run" / "c" / "every.c"
    text = source.read_text()
    begin = text.index("{", text.index("last_w[")) + 1
    end = text.index("}", begin)
    flipped = [f"0x{int(word, 16) ^ 0x88:02x}" for word in text[begin:end].split(",") if word.strip()]
    source.write_text(text[:begin] + ", ".join(flipped) + text[end:])
    for stored in (0, 1):
        report = emulate(
            tmp_path / "run", load_chip("stm32g030"), samples[1:], Options(samples=stored, variant="portable")
        )
        assert report.mismatches > 0
        assert report.first.layer == "last"
        assert {layer.name for layer in report.layers if layer.mismatches} == {"last"}
        assert (report.text[-1] == "selftest FAILED") == (stored == 1)


def test_a_stored_sample_that_comes_out_wrong_is_an_error_even_where_nothing_else_does(
    every_format, samples, monkeypatch
):
    real = importlib.import_module("exporter.chips.emulate").build
    wrong = {"expected": 0}

    def spoiled(folder, chip, images, options):
        monkeypatch.setattr("exporter.chips.image.zlib", SimpleNamespace(crc32=lambda _: wrong["expected"]))
        return real(folder, chip, images, options)

    monkeypatch.setattr("exporter.chips.emulate.build", spoiled)
    with pytest.raises(EmulationError, match="selftest FAILED"):
        emulate(every_format.folder, load_chip("stm32g030"), samples[:1])


@pytest.mark.parametrize("name", ["ch32v003", "atmega328p", "wasm32"])
def test_ctrl_c_is_not_lost_in_what_the_emulator_calls_back(every_format, samples, name):
    chip = load_chip(name)
    needs_emulator(chip)
    machine = start(chip, build(every_format.folder, chip, samples[:0], Options(samples=0, trace=True)).elf)
    machine.run()
    machine.on_call("hb_trace", lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        machine.run(protocol.frame(protocol.RUN, samples[0].tobytes()))


def test_the_samples_that_are_stored_need_not_be_those_that_are_sent(every_format, samples):
    chip, options = load_chip("ch32v003"), Options(samples=3)
    report = emulate(every_format.folder, chip, samples[:1], options, stored=samples)
    assert report.flash == build(every_format.folder, chip, samples, options).sizes.flash
    assert (report.images, report.text[-1]) == (1, "selftest ok")


def test_frames_that_are_wrong_are_refused_and_the_next_one_is_answered(every_format, samples):
    chip = load_chip("ch32v003")
    chip = chip.model_copy(update={"defines": {**chip.defines, "HB_PATIENCE": 50}})
    machine = Machine(chip, build(every_format.folder, chip, samples, Options(samples=0)).elf)
    machine.run()
    good = protocol.frame(protocol.RUN, samples[0].tobytes())

    def error(sent: bytes, polls: int = 4) -> str:
        kind, payload = protocol.parse(machine.run(sent, patience=polls))
        assert kind == protocol.ERROR
        return protocol.error_text(payload)

    assert error(good[:-1] + bytes([good[-1] ^ 1])) == "bad CRC"
    assert error(good[:10] + bytes([good[10] ^ 1]) + good[11:]) == "bad CRC"
    assert error(protocol.frame(protocol.RUN, b"short")[:4]) == "wrong length"
    assert error(protocol.frame(0x33)[:4]) == "unknown type"
    assert error(good[:-3], polls=100) == "frame cut off"
    assert protocol.parse(machine.run(b"\x00\x11noise" + good))[0] == protocol.RUN | protocol.REPLY


def test_a_damaged_answer_is_noticed():
    good = protocol.frame(protocol.INFO, b"payload")
    assert protocol.parse(good) == (protocol.INFO, b"payload")
    assert protocol.parse(good[:-1]) is None
    for at in range(1, len(good)):
        wrong = bytearray(good)
        wrong[at] ^= 0x10
        if at in {2, 3}:  # the length: it waits for more, or finds the CRC wrong
            continue
        with pytest.raises(ValueError, match="CRC"):
            protocol.parse(bytes(wrong))


def test_the_app_prints_scores_class_and_crc_of_its_sample(every_format, samples):
    report = emulate(every_format.folder, load_chip("stm32c011"), samples[:1])
    words = report.text[1].split()
    scores = np.array([int(word) for word in words[1:6]], "<i4")
    assert np.array_equal(scores, every_format.scores(samples[:1])[0])
    assert words[6:8] == ["class", str(scores.argmax())]
    assert words[8:10] == ["crc", f"{zlib.crc32(scores.tobytes()):08x}"]
    assert int(words[11]) >= report.instructions  # the emulated counter counts instructions


def test_a_missing_emulator_is_one_line(every_format, samples, monkeypatch):
    real = importlib.import_module

    def missing(name, *rest):
        if name.startswith("unicorn"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(HalfbyteError, match="pip install 'halfbyte\\[emulator\\]'"):
        emulate(every_format.folder, load_chip("ch32v003"), samples[:1])


def test_cycles_are_more_than_instructions_and_none_without_a_model(every_format, samples):
    timed = emulate(every_format.folder, load_chip("stm32g030"), samples[:1])
    assert timed.instructions < timed.cycles < 4 * timed.instructions
    without = load_chip("stm32g030").model_copy(update={"cycles": None})
    assert emulate(every_format.folder, without, samples[:1]).cycles is None
