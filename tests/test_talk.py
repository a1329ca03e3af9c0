# SPDX-License-Identifier: Apache-2.0
"""A board on a serial port: the real app on an emulated chip behind a pty, and boards that misbehave in every way."""

from __future__ import annotations

import errno
import importlib
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from support import ROOT, network, one_line

from exporter import reference
from exporter.chips import image, protocol, talk
from exporter.chips.chip import load_chip
from exporter.chips.image import Options, build
from exporter.chips.machine import start
from exporter.chips.protocol import ERROR, INFO, REPLY, RUN
from exporter.export import export
from training.errors import HalfbyteError

pty = pytest.importorskip("pty", reason="this system has no ptys")
tty = pytest.importorskip("tty")
pytest.importorskip("serial", reason="pyserial is not installed")

CYCLES = 1234
GREETING = b"\r\nhalfbyte small 0123456789abcdef\r\nscores 1 2 class 1 crc 00000000 cycles 9\r\nselftest ok\r\n"
HASTY = talk.Patience(answer=0.25, quiet=0.02, tries=3)  # for boards that do not answer
CALM = talk.Patience(answer=5, quiet=0.05, tries=3)  # for boards that do, on a busy machine


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network for scikit-learn's digits that was never trained, as a run folder."""
    folder = tmp_path_factory.mktemp("talk")
    shutil.copy(ROOT / "training" / "recipes" / "digits-fc.toml", folder / "recipe.toml")
    return export(network(64, 16, 10, shape=(8, 8)), "small", out=folder)


@pytest.fixture(scope="module")
def images(exported):
    return image.test_images(exported.folder, 4)


class GoneError(Exception):
    """The board is unplugged."""


@contextmanager
def board(hears, greeting=b""):
    """A port with a board behind it: `hears` gets what was sent, b"" when nothing was, and gives what to answer."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    name, stop = os.ttyname(theirs), threading.Event()

    def live():
        os.write(ours, greeting)
        try:
            while not stop.is_set():
                ready = select.select([ours], [], [], 0.01)[0]
                os.write(ours, hears(os.read(ours, 4096) if ready else b""))
        except GoneError:
            pass
        finally:
            os.close(ours)
            os.close(theirs)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield name
    finally:
        stop.set()
        thread.join()


def emulated(exported, name, spoil=lambda sent: sent, **defines):
    """The real app on an emulated chip: its greeting, and what it does with bytes that `spoil` may damage."""
    chip = load_chip(name)
    chip = chip.model_copy(update={"defines": {**chip.defines, **defines}})
    stored = image.test_images(exported.folder, 1)
    machine = start(chip, build(exported.folder, chip, stored, Options()).elf)
    greeting = machine.run()
    return (lambda sent: machine.run(spoil(sent), patience=4 if sent else 100)), greeting


def scripted(answer):
    """A fake board: `answer(number of the frame, type, payload)` for every frame that comes."""
    buffer, count = bytearray(), 0

    def hears(sent):
        nonlocal count
        buffer.extend(sent)
        answers = b""
        while buffer and (found := protocol.parse(buffer)) is not None:
            del buffer[: len(protocol.frame(*found))]
            answers += answer(count, *found)
            count += 1
        return answers

    return hears


def healthy(exported, images):
    """What a board that works answers."""
    graph = exported.graph
    scores = reference.run(graph, images)[graph.nodes[-1].name].astype("<i4")
    known = {x.tobytes(): row.tobytes() for x, row in zip(images, scores, strict=True)}
    info = struct.pack("<16sII", graph.digest.encode(), 64, 10)

    def answer(_, kind, payload):
        if kind == INFO:
            return protocol.frame(INFO | REPLY, info)
        return protocol.frame(RUN | REPLY, known[payload] + struct.pack("<I", CYCLES))

    return answer


def converse(port, exported, images, patience=CALM):
    with talk.open_line(port, patience=patience) as line:
        talk.meet(line, exported.graph, exported.folder)
        return talk.compare(line, exported.graph, images)


# The real app


@pytest.mark.parametrize("name", ["ch32v003", "stm32g030"])
def test_the_app_on_an_emulated_chip_answers_bit_for_bit(exported, images, name):
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    with board(*emulated(exported, name)) as port:  # its greeting comes first
        report = converse(port, exported, images)
    assert (report.images, report.mismatches, report.wrong_images, report.retries) == (4, 0, 0, 0)
    assert report.first is None
    assert 1000 < report.cycles_min <= report.cycles <= report.cycles_max


def test_a_noisy_wire_costs_retries_but_no_bits(exported, images):
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    count = 0

    def spoil(sent):
        nonlocal count
        count += bool(sent)
        if sent and count % 3 == 2:
            return sent[: len(sent) // 2] + bytes([sent[len(sent) // 2] ^ 4]) + sent[len(sent) // 2 + 1 :]
        return sent[:-1] if sent and count % 3 == 0 else sent

    hears, greeting = emulated(exported, "ch32v003", spoil, HB_PATIENCE=60)
    with board(hears, greeting) as port:
        report = converse(port, exported, images)
    assert (report.images, report.mismatches) == (4, 0)
    assert report.retries >= 4


# Boards that misbehave


def instead(**faults):
    """Boards that give these frames, by number, another answer; `always` to all that have none of their own."""

    def make(good):
        def answer(number, kind, payload):
            fault = faults.get(f"f{number}", faults.get("always"))
            return good(number, kind, payload) if fault is None else fault(good(number, kind, payload))

        return answer

    return make


def says(data):
    return lambda _: data


def flipped(reply):
    return reply[:9] + bytes([reply[9] ^ 0x20]) + reply[10:]


def gone(_):
    raise GoneError


def info(digest, raw, scores):
    return says(protocol.frame(INFO | REPLY, struct.pack("<16sII", digest, raw, scores)))


def refuses(code):
    return says(protocol.frame(ERROR, bytes([code])))


silent = says(b"")
MUTE = {  # these are waited for
    "silent": (instead(always=silent), "asking what it is: the board does not answer; is --baud right, is the image"),
    "garbage": (instead(always=says(bytes(range(0x40, 0xA0)))), "what comes is no frame .*is --baud right"),
    "garbage with the first byte of a frame": (instead(always=says(b"\xa5" * 99)), "what comes is no frame"),
    "deaf": (instead(always=says(GREETING)), "prints its greeting, but hears nothing"),
    "breaks off": (instead(always=lambda reply: reply[:13]), "breaks off after 13 bytes"),
    "falls silent": (instead(f3=silent, f4=silent, f5=silent), "image 2 of 4: the board does not answer any more"),
}
TROUBLES = {
    **MUTE,
    "damages all": (instead(always=flipped), "comes damaged, its CRC is wrong"),
    "another network": (instead(f0=info(b"0123456789abcdef", 64, 10)), "runs the network 0123456789abcdef, .* small"),
    "another raw size": (instead(f0=info(b"DIGEST", 128, 10)), "samples of 128 bytes and gives 10 .* 64 and 10"),
    "other scores": (instead(f0=info(b"DIGEST", 64, 3)), "gives 3 scores"),
    "no digest": (instead(f0=info(b"\xff" * 16, 64, 10)), "says that it is"),
    "restarts": (instead(f2=says(GREETING)), "image 1 of 4: the board has restarted"),
    "restarts in an answer": (instead(f2=lambda reply: reply[:20] + GREETING), "image 1 of 4: the board has restarted"),
    "unplugged": (instead(f0=gone), "asking what it is: the connection is lost; is the cable plugged in"),
    "unplugged later": (instead(f3=gone), "image 2 of 4: the connection is lost"),
}
for code, name in {**protocol.ERRORS, 9: "error 09"}.items():
    three = dict.fromkeys(("f1", "f2", "f3"), refuses(code))
    TROUBLES[f"refuses: {name}"] = instead(**three), f"image 0 of 4: the board refuses the frame: {name}"


@pytest.mark.parametrize("trouble", TROUBLES)
def test_every_trouble_is_one_line_and_ends_soon(exported, images, trouble):
    make, expected = TROUBLES[trouble]
    answer = make(healthy(exported, images))

    def named(*frame):  # the right digest, where only the sizes are wrong
        reply = answer(*frame)
        if b"DIGEST" in reply:
            return protocol.frame(INFO | REPLY, exported.graph.digest.encode() + protocol.parse(reply)[1][16:])
        return reply

    begun = time.monotonic()
    with board(scripted(named)) as port, pytest.raises(HalfbyteError, match=expected) as caught:
        converse(port, exported, images, HASTY if trouble in MUTE else CALM)
    assert time.monotonic() - begun < CALM.answer
    assert one_line(str(caught.value))
    assert str(caught.value).startswith(port)
    if "network" in trouble:
        assert exported.graph.digest in str(caught.value)
        assert f"halfbyte flash {exported.folder} --chip" in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "patience"),
    [
        (flipped, CALM),
        (refuses(1), CALM),
        (refuses(4), CALM),
        (silent, HASTY),
        (lambda reply: reply[:-3], HASTY),
        (lambda reply: b"\xa5\x82noise" + reply, CALM),
        (lambda reply: b"\xa5\x82\x2c\x00" + reply, CALM),  # the head of an answer
    ],
)
def test_what_goes_wrong_once_is_sent_again(exported, images, fault, patience):
    good = healthy(exported, images)
    begun = time.monotonic()
    with board(scripted(instead(f2=fault)(good))) as port:
        report = converse(port, exported, images, patience)
    assert (report.images, report.mismatches) == (4, 0)
    assert report.retries <= 1
    assert time.monotonic() - begun < CALM.answer  # what came damaged is not waited for


def test_an_answer_that_comes_too_late_is_not_taken_for_that_of_the_next_image(exported, images):
    good, held = healthy(exported, images), []

    def slow(number, kind, payload):  # the answer to image 1 comes when its second try has come, and once more
        reply = good(number, kind, payload)
        if number == 2:
            held.append(reply)
            return b""
        return held.pop() + reply if held else reply

    with board(scripted(slow)) as port:
        report = converse(port, exported, images, HASTY)
    assert (report.mismatches, report.retries) == (0, 1)


def test_a_wrong_score_is_named_and_counted(exported, images):
    def wrong(reply):
        payload = bytearray(protocol.parse(reply)[1])
        payload[4 * 7] ^= 1
        return protocol.frame(RUN | REPLY, bytes(payload))

    with board(scripted(instead(f3=wrong, f4=wrong)(healthy(exported, images)))) as port:
        report = converse(port, exported, images)
    last = exported.graph.nodes[-1].name
    want = int(reference.run(exported.graph, images)[last][2].reshape(-1)[7])
    assert (report.mismatches, report.wrong_images) == (2, 2)
    assert (report.first.sample, report.first.index) == (2, (7,))
    assert (report.first.expected, report.first.actual) == (want, want ^ 1)
    assert f"sample 2, channel 7, index [7]: the board gives {want ^ 1}, the reference {want}" in str(report.first)
    assert (report.cycles, report.cycles_min, report.cycles_max) == (CYCLES, CYCLES, CYCLES)


def test_a_thousand_images_wait_for_nothing_but_the_board(exported, images):
    many = np.concatenate([images] * 250)
    begun = time.monotonic()
    with board(scripted(healthy(exported, images))) as port:
        report = converse(port, exported, many)
    assert (report.images, report.mismatches) == (1000, 0)
    assert time.monotonic() - begun < 10  # a pause of 10 ms after each would take longer


# Ports that cannot be opened


def refusal(port, **options):
    with pytest.raises(HalfbyteError) as caught, talk.open_line(str(port), **options):
        pass
    assert one_line(str(caught.value))
    return str(caught.value)


def test_a_port_that_is_none_is_one_line(tmp_path):
    assert "there is no such port (there is " in refusal(tmp_path / "ttyUSB7")
    assert "it is a folder" in refusal(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    assert "it is not a serial port" in refusal(tmp_path / "file")


def test_a_port_that_is_taken_is_one_line():
    with board(silent) as port, talk.open_line(port, patience=HASTY):
        assert "another program uses it" in refusal(port)


def test_a_port_without_permission_says_what_to_do(monkeypatch):
    serial = importlib.import_module("serial")

    def denied(port, *_, **__):
        raise serial.SerialException(errno.EACCES, f"could not open port {port}")

    monkeypatch.setattr(serial, "Serial", denied)
    assert "no permission; on Linux: sudo usermod -aG dialout" in refusal("/dev/ttyUSB0")


def test_the_baud_rate_is_set_and_one_that_cannot_be_is_refused():
    termios = importlib.import_module("termios")
    with board(silent) as port:
        with talk.open_line(port, 57600, HASTY) as line:
            assert termios.tcgetattr(line.port.fd)[4] == termios.B57600
        assert "cannot be set to --baud" in refusal(port, baud=10**12)


def test_without_pyserial_it_is_one_line(monkeypatch):
    real = importlib.import_module

    def missing(name, *rest):
        if name.startswith("serial"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert refusal("/dev/ttyUSB0") == "pyserial is not installed: pip install 'halfbyte[firmware]'"


def test_a_sample_that_no_frame_holds_is_refused(tmp_path):
    wide = export(network(65536, 2), "wide", out=tmp_path)
    with pytest.raises(HalfbyteError, match="samples of 65,536 bytes; a frame holds at most 65,535"):
        talk.compare(talk.Line(None, "", 115200, CALM), wide.graph, np.zeros((1, 65536), np.uint8))


# The command


def test_the_verb_prints_a_table_or_json_and_exits_with_0_1_or_2(exported, images, halfbyte):
    good = healthy(exported, images)
    wrong = instead(f1=lambda reply: good(0, RUN, images[1].tobytes()))(good)
    for answer, code, *options in ((good, 0), (good, 0, "--json"), (wrong, 1), (wrong, 1, "--json")):
        with board(scripted(answer)) as port:
            found, out, err = halfbyte("talk", "--port", port, exported.folder, "--images", 4, *options)
        assert found == code
        assert ("first difference: fc2: sample 0, channel" in err) == (code == 1)
        if options:
            report = json.loads(out)
            assert (report["images"], report["wrong_images"], report["cycles"]) == (4, code, CYCLES)
            assert (report["first"] is None) == (code == 0)
        else:
            assert "1,234" in out
            assert "small" in out
    with board(scripted(instead(f0=gone)(good))) as port:
        code, out, err = halfbyte("talk", "--port", port, exported.folder)
    assert (code, out) == (2, "")
    assert "the connection is lost" in err


def test_ctrl_c_ends_with_130_and_one_line(exported):
    heard = threading.Event()

    def hears(sent):
        if sent:
            heard.set()
        return b""

    with ExitStack() as stack:
        port = stack.enter_context(board(hears))
        command = [sys.executable, "-m", "halfbyte.cli", "talk", "--port", port, str(exported.folder)]
        process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        assert heard.wait(60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "stopped by Ctrl-C" in err
    assert "Traceback" not in err
