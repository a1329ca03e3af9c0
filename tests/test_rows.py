# SPDX-License-Identifier: Apache-2.0
"""Apps that take a sample row by row, where no frame fits the RAM: same integers, same counts, rows sent again."""

from __future__ import annotations

import struct
from collections import OrderedDict

import pytest
from support import needs_emulator, one_line
from test_talk import CALM, board
from torch import nn

from exporter.chips import protocol, talk
from exporter.chips.chip import load_chip
from exporter.chips.emulate import emulate
from exporter.chips.image import Options, build, link_image, ram_needed
from exporter.chips.machine import start
from exporter.export import export
from exporter.verify import random_samples
from training.errors import HalfbyteError
from training.layers import BitConv2d, BitLinear, GlobalAvgPool, Input

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
pytest.importorskip("unicorn", reason="the emulator is not installed")

ROWS = 12
RAW = (ROWS, 10, 2)


@pytest.fixture(scope="module", params=["uint8", "int16"])
def exported(tmp_path_factory, request):
    options = {"requant": "mulshift", "padding": 1}
    layers = OrderedDict(
        input=Input(RAW, channels="last", shift=1, dtype=request.param),
        conv1=BitConv2d(2, 6, 3, format="int8", **options),
        conv2=BitConv2d(6, 6, 3, stride=2, format="sym4", **options),
        gap=GlobalAvgPool(),
        last=BitLinear(6, 3, format="sym4", requant=None),
    )
    return export(nn.Sequential(layers).eval(), "pushed", out=tmp_path_factory.mktemp("rows"), plan="rows")


@pytest.fixture(scope="module")
def samples(exported):
    return random_samples(exported.graph, 2)


@pytest.mark.parametrize("name", ["ch32v003", "stm32g030", "atmega328p"])
def test_rows_give_the_integers_and_the_counts_of_whole_samples(exported, samples, name):
    chip = load_chip(name)
    needs_emulator(chip)
    rows, frame = (emulate(exported.folder, chip, samples, Options(input=way)) for way in ("rows", "frame"))
    assert (rows.input, rows.mismatches, rows.first) == ("rows", 0, None)
    assert rows.text[-1] == "selftest ok"
    assert rows.stack <= rows.stack_bound
    kernels = {name: count for name, count in frame.functions.items() if name.startswith("hb_conv_")}
    assert kernels == {name: count for name, count in rows.functions.items() if name.startswith("hb_conv_")}
    assert rows.instructions == pytest.approx(frame.instructions, rel=0.05)
    assert sum(rows.functions.values()) == pytest.approx(rows.instructions, abs=len(rows.functions))
    counts = [layer.instructions or 0 for layer in rows.layers]
    assert sum(counts[1:]) == pytest.approx(rows.instructions, abs=len(counts))
    assert counts[0] == rows.input_instructions > 0
    assert "hb_input_shift_u8" not in rows.functions  # the input rule is counted apart
    assert rows.cycles == pytest.approx(frame.cycles, rel=0.1)  # where code lies in lines of flash counts, too
    assert rows.ram < frame.ram


def shrunk(chip, ram):
    memory = tuple(m.model_copy(update={"size": ram if m.kind == "ram" else m.size}) for m in chip.memory)
    return chip.model_copy(update={"memory": memory})


def test_a_sample_comes_in_rows_where_the_ram_does_not_hold_it_and_the_rest(exported, samples):
    chip, options = load_chip("ch32v003"), Options(samples=0)
    whole = link_image(exported.folder, chip, samples, options)
    assert whole.options.input == "frame"
    needed = sum(ram_needed(whole).values())
    assert needed == whole.sizes.ram + whole.sizes.stack
    tight = link_image(exported.folder, shrunk(chip, needed - 1), samples, options)
    assert tight.options.input == "rows"
    assert sum(ram_needed(tight).values()) == tight.sizes.ram + tight.sizes.stack < needed
    assert ram_needed(tight)["input"] < ram_needed(whole)["input"]
    with pytest.raises(HalfbyteError, match="make one of these smaller: ") as caught:
        build(exported.folder, shrunk(chip, 200), samples, options)
    assert one_line(str(caught.value))


def test_rows_may_come_again_and_rows_out_of_order_are_refused(exported, samples):
    chip = load_chip("stm32g030")
    machine = start(chip, build(exported.folder, chip, samples, Options(samples=0, input="rows")).elf)
    machine.run()
    _, payload = protocol.parse(machine.run(protocol.frame(protocol.INFO)))
    info = protocol.parse_info(payload)
    assert (info.raw_bytes, info.n_scores, info.rows) == (samples[0].nbytes, 3, ROWS)

    def ask(kind, payload):
        return protocol.parse(machine.run(protocol.frame(kind, payload)))

    def rows(x):
        return protocol.requests(x, exported.graph.dtype, ROWS)

    for kind, payload in rows(samples[1])[:5]:  # a sample that is given up
        ask(kind, payload)
    for at, (kind, payload) in enumerate(rows(samples[0])):
        assert ask(kind, payload)[0] == protocol.ROW | protocol.REPLY
        if at in {0, 3, ROWS - 1}:
            again, answer = ask(kind, payload)
            assert again == protocol.ROW | protocol.REPLY
        if at == 4:
            for wrong in (2, 7, ROWS, 0xFFFF):
                refused = ask(kind, struct.pack("<H", wrong) + payload[2:])
                assert refused[0] == protocol.ERROR
                assert protocol.error_text(refused[1]) == "row out of order"
    assert answer[:-4] == exported.scores(samples[:1])[0].astype("<i4").tobytes()
    whole = protocol.sample(samples[0], exported.graph.dtype)
    assert protocol.error_text(ask(protocol.RUN, whole[:4])[1]) == "unknown type"
    assert protocol.error_text(ask(protocol.ROW, whole[:4])[1]) == "wrong length"


def test_talk_sends_the_rows_that_the_board_asks_for(exported, samples):
    chip = load_chip("ch32v003")
    machine = start(chip, build(exported.folder, chip, samples, Options(samples=0, input="rows")).elf)
    greeting = machine.run()
    with (
        board(lambda sent: machine.run(sent, patience=4 if sent else 100), greeting) as port,
        talk.open_line(port, patience=CALM) as line,
    ):
        talk.meet(line, exported.graph, exported.folder)
        assert line.rows == ROWS
        report = talk.compare(line, exported.graph, samples)
    assert (report.images, report.mismatches, report.first) == (2, 0, None)
