# SPDX-License-Identifier: Apache-2.0
"""The app on an emulated chip: its self-test, and what it answers to bytes that are no frame (SPEC 9)."""

from __future__ import annotations

import zlib

import pytest
from support import network

from exporter.chips import image, protocol
from exporter.chips.chip import load_chip
from exporter.chips.image import Options, build
from exporter.chips.machine import start
from exporter.export import export
from exporter.verify import random_samples

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
pytest.importorskip("unicorn", reason="the emulator is not installed")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(network(16, 13, 5), "small", out=tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module")
def samples(exported):
    return random_samples(exported.graph, 2)


# The self-test


def without_selftest(chip):
    return chip.model_copy(update={"defines": {**chip.defines, "HB_SELFTEST": 0}})


@pytest.mark.parametrize("name", ["ch32v003", "stm32g030"])
def test_an_image_without_self_test_runs(exported, samples, name):
    chip = without_selftest(load_chip(name))
    linked = build(exported.folder, chip, samples, Options(samples=2))
    assert "hb_selftest" not in linked.elf.symbols
    machine = start(chip, linked.elf)
    lines = machine.run().decode().splitlines()
    assert [line.split()[0] for line in lines if line] == ["halfbyte", "scores", "scores"]
    kind, _ = protocol.parse(machine.run(protocol.frame(protocol.RUN, samples[0].tobytes())))
    assert kind == protocol.RUN | protocol.REPLY


def test_a_self_test_that_fails_says_so(exported, samples, monkeypatch):
    real = zlib.crc32
    monkeypatch.setattr(image.zlib, "crc32", lambda data: real(data) ^ 1)
    linked = build(exported.folder, load_chip("ch32v003"), samples, Options())
    monkeypatch.undo()
    lines = start(linked.chip, linked.elf).run().decode().splitlines()
    assert lines[-1] == "selftest FAILED"
    assert real(b"") == 0
    good = build(exported.folder, load_chip("ch32v003"), samples, Options())
    assert start(good.chip, good.elf).run().decode().splitlines()[-1] == "selftest ok"


def test_the_self_test_takes_less_than_300_bytes_of_code(exported, samples):
    chip = load_chip("ch32v003")
    linked = build(exported.folder, chip, samples, Options())
    names = ("hb_selftest", "hb_app_sample", "hb_app_crc", "hb_crc")  # and what it calls, without the network
    sizes = {function.name: function.size for function in linked.elf.functions if function.name in names}
    assert 0 < sizes["hb_selftest"] <= sum(sizes.values()) < 300
    bare = build(exported.folder, without_selftest(chip), samples, Options())
    assert 0 < linked.sizes.flash - bare.sizes.flash < 300


# What the app does with bytes that are no frame


@pytest.fixture(scope="module")
def served(exported, samples):
    """(chip, image) of an app that waits for 200 polls in the middle of a frame."""
    chip = load_chip("ch32v003")
    chip = chip.model_copy(update={"defines": {**chip.defines, "HB_PATIENCE": 200}})
    return chip, build(exported.folder, chip, samples, Options(samples=0)).elf


def frames(data):
    """(type, payload) of everything in the answer, which is whole frames and nothing else."""
    found = []
    while data:
        found.append(protocol.parse(data))
        data = data[len(protocol.frame(*found[-1])) :]
    return found


SHORT = 16  # bytes of a raw sample of this network
NOISE = bytes(byte for byte in range(256) if byte != protocol.SYNC)
INPUTS = {
    "nothing": (b"", []),
    "noise": (NOISE, []),
    "a first byte inside noise": (NOISE[:50] + b"\xa5" + NOISE[50:], ["unknown type"]),
    "first bytes only": (b"\xa5" * 8, ["unknown type"] * 2),
    "a lone first byte": (b"\xa5", ["frame cut off"]),
    "half a head": (b"\xa5\x02\x10", ["frame cut off"]),
    "a head": (b"\xa5\x02\x10\x00", ["frame cut off"]),
    "half a sample": (b"\xa5\x02\x10\x00" + bytes(9), ["frame cut off"]),
    "half a CRC": (protocol.frame(protocol.RUN, bytes(SHORT))[:-1], ["frame cut off"]),
    "the longest length": (b"\xa5\x02\xff\xff", ["wrong length"]),
    "the longest length, with noise": (b"\xa5\x02\xff\xff" + NOISE, ["wrong length"]),
    "a question with a payload": (protocol.frame(protocol.INFO, b"\x00"), ["wrong length"]),
    "an empty sample": (protocol.frame(protocol.RUN), ["wrong length"]),
    "a sample too long by one": (protocol.frame(protocol.RUN, bytes(SHORT + 1)), ["wrong length"]),
    "an answer": (protocol.frame(protocol.ERROR, b"\x01"), ["unknown type"]),
    "an older frame's rest": (protocol.frame(protocol.RUN, NOISE[:SHORT])[7:], []),
    "zeros for a CRC": (b"\xa5\x01\x00\x00" + bytes(4), ["bad CRC"]),
}


@pytest.mark.parametrize("what", INPUTS)
def test_what_is_no_frame_is_refused_clearly_and_the_next_frame_is_answered(exported, samples, served, what):
    sent, expected = INPUTS[what]
    machine = start(*served)
    machine.run()
    answers = frames(machine.run(sent, patience=300))  # long enough for the app to give up
    assert [kind for kind, _ in answers] == [protocol.ERROR] * len(expected)
    assert [protocol.error_text(payload) for _, payload in answers] == expected
    good = protocol.frame(protocol.RUN, samples[1].tobytes())
    ((kind, payload),) = frames(machine.run(good))
    assert kind == protocol.RUN | protocol.REPLY
    assert payload[:-4] == exported.scores(samples[1:])[0].astype("<i4").tobytes()


@pytest.mark.parametrize("at", [1, 3, 4, 9, 20, 23])
def test_a_frame_that_comes_in_two_pieces_is_answered(samples, served, at):
    machine = start(*served)
    machine.run()
    good = protocol.frame(protocol.RUN, samples[0].tobytes())
    assert machine.run(good[:at], patience=50) == b""
    assert [kind for kind, _ in frames(machine.run(good[at:]))] == [protocol.RUN | protocol.REPLY]


def test_frames_back_to_back_are_all_answered(exported, samples, served):
    machine = start(*served)
    machine.run()
    sent = [protocol.frame(protocol.INFO), *(protocol.frame(protocol.RUN, x.tobytes()) for x in samples)]
    answers = frames(machine.run(NOISE + b"".join(sent) + sent[0]))
    assert [kind for kind, _ in answers] == [0x81, 0x82, 0x82, 0x81]
    want = [row.astype("<i4").tobytes() for row in exported.scores(samples)]
    assert [payload[:-4] for kind, payload in answers if kind == 0x82] == want


def test_a_frame_that_a_false_head_swallows_is_refused_and_the_one_after_it_answered(samples, served):
    machine = start(*served)
    machine.run()
    good = protocol.frame(protocol.RUN, samples[0].tobytes())
    answers = frames(machine.run(good[:4] + good, patience=300))
    assert protocol.error_text(answers[0][1]) == "bad CRC"
    assert [kind for kind, _ in frames(machine.run(good, patience=300))][-1] == protocol.RUN | protocol.REPLY
