# SPDX-License-Identifier: Apache-2.0
"""The tests of the test: one flipped bit, one broken line anywhere, and verification says where."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from support import compile_with, conv, map_network, named, network

from exporter import hostlib, ops
from exporter.export import Exported, export
from exporter.graph import read_graph
from exporter.pack import unpack
from exporter.plan import STRATEGIES
from exporter.verify import PUSHED, Report, VerificationError, random_samples
from training import requant
from training.errors import HalfbyteError
from training.formats import FORMATS, get_format
from training.layers import AvgPool2d, BitLinear, GlobalAvgPool, Input

if TYPE_CHECKING:
    from pathlib import Path


def compare(exported: Exported, count: int = 60) -> Report:
    """With the C as it now lies in the folder."""
    compile_with(exported, "-O0")
    return exported.compare(random_samples(exported.graph, count))


def table(source: str, name: str) -> tuple[re.Match[str], list[str]]:
    """Where a table's numbers stand in the source, and the numbers as text."""
    found = re.search(rf"\b{name}\[\d+\] = {{(.*?)}};", source, re.DOTALL)
    return found, re.findall(r"-?\w+", found[1])


def with_number(path: Path, name: str, index: int, value: str) -> None:
    source = path.read_text()
    found, numbers = table(source, name)
    numbers[index] = value
    path.write_text(source[: found.start(1)] + ",".join(numbers) + source[found.end(1) :])


def bit_flips(exported: Exported, layer: str):
    """(byte, bit, row) of every bit of the packed weights that belongs to a code and stands for another level."""
    op = next(node.op for node in exported.graph.nodes if node.name == layer)
    fmt, (n_out, n_in) = get_format(op.format), op.w.shape
    packed = op.tables()[0].values
    for row, byte, bit in np.ndindex(n_out, packed.shape[1], 8):
        flipped = packed.copy()
        flipped[row, byte] ^= 1 << bit
        try:
            changed = not np.array_equal(unpack(fmt, flipped, n_in), op.w)
        except IndexError:  # three trits that are none
            continue
        if changed:
            yield row * packed.shape[1] + byte, bit, row


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("layer", ["fc1", "fc2"])
def test_one_flipped_bit_of_the_weights_is_found_in_its_layer_and_row(name: str, layer: str, tmp_path):
    exported = export(network(7, 6, 5, 3, format=name), "net", out=tmp_path)
    source = tmp_path / "c" / "net.c"
    original = source.read_text()
    flips = list(bit_flips(exported, layer))
    assert len(flips) > 6 * 3
    for at, bit, row in (flips[0], flips[-1]) if layer == "fc1" else (flips[len(flips) // 2],):
        byte = int(table(original, f"{layer}_w")[1][at], 16)
        with_number(source, f"{layer}_w", at, f"0x{byte ^ 1 << bit:02x}")
        report = compare(exported)
        assert report.mismatches > 0
        assert (report.first.layer, report.first.source, report.first.index) == (layer, "C", (row,))
        with pytest.raises(VerificationError, match=rf"^{layer}: sample \d+, channel {row}, index \[{row}\]: C gives"):
            exported.verify(random_samples(exported.graph, 60))
        source.write_text(original)


def test_without_a_mutation_nothing_is_found(tmp_path):
    assert compare(everything(tmp_path)).mismatches == 0


def everything(tmp_path: Path) -> Exported:
    """A network that uses every kernel but maxshift and the other input types."""
    torch.manual_seed(3)
    hidden = BitLinear(24, 12, requant="shift", signed=True), BitLinear(12, 9, requant="mulshift")
    rule = Input((5, 8), resize=(4, 6), shift=1, offset=3)
    last = BitLinear(9, 4, requant=None, bias=True)
    model = named(input=rule, flatten=torch.nn.Flatten(), fc1=hidden[0], fc2=hidden[1], fc3=last)
    with torch.no_grad():
        hidden[0].requant.bias.copy_(torch.linspace(-40, 40, 12))
        hidden[0].requant.running_max.fill_(600.0)  # some sums are clamped at either end
        hidden[1].requant.beta.copy_(torch.linspace(-1, 5, 9))
        hidden[1].requant.gamma.fill_(3.0)
        last.bias.bias.copy_(torch.tensor([0.5, -0.5, 1.0, -1.0]))
    return export(model, "net", out=tmp_path)


BROKEN = [
    ("hb_resize_area.c", "24 - shift", "23 - shift", "input.resize_area"),
    ("hb_resize_area.c", "(uint32_t)rest * *p", "(uint32_t)n * *p", "input.resize_area"),
    ("hb_input_shift_u8.c", "+ offset", "- offset", "input"),
    ("hb_round.h", "v > hi", "lo > hi", None),
    ("hb_round.h", "v < lo", "hi < lo", None),
    ("hb_round.h", "((uint32_t)1 << s) >> 1", "((uint32_t)0 << s) >> 1", "fc1.shift"),
    ("hb_round.h", "((uint32_t)1 << s) >> 1", "((uint32_t)1 << s)", "fc1.shift"),
    ("hb_linear_sym4.c", "hb_level_sym4(byte >> 4)", "hb_level_sym4(byte & 15)", "fc1"),
    ("hb_level.h", "2 * code - 15", "2 * code - 14", "fc1"),
    ("hb_shift.c", "acc[i] + b[i] + half", "acc[i] + half", "fc1.shift"),
    ("hb_shift.c", ">> shift", ">> (shift + 1)", "fc1.shift"),
    ("hb_mulshift.c", "* m[i]", "* (m[i] / 2)", "fc2.mulshift"),
    ("hb_mulshift.c", ">> s[i]", ">> (s[i] ? s[i] - 1 : 1)", "fc2.mulshift"),
    ("hb_mulshift.c", "+ b[i]", "- b[i]", "fc2.mulshift"),
    ("hb_add_bias.c", "+ b[i]", "- b[i]", "fc3.add_bias"),
]


@pytest.mark.parametrize(("file", "right", "wrong", "layer"), BROKEN)
def test_a_broken_line_of_a_kernel_is_found_in_the_first_layer_that_runs_it(file, right, wrong, layer, tmp_path):
    exported = everything(tmp_path)
    path = tmp_path / "c" / file
    assert path.read_text().count(right) == 1
    path.write_text(path.read_text().replace(right, wrong))
    report = compare(exported)
    assert report.mismatches > 0
    assert report.first.source == "C"
    assert layer is None or report.first.layer == layer


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("hb_round.h", "s > hi", "s > hi >> 1"),
        ("hb_maxshift.c", "+ half", ""),
        ("hb_round.h", "*acc < 0 && lo < 0 ? -*acc : *acc", "*acc"),
        ("hb_round.h", "while (v >> s", "if (v >> s"),
    ],
)
def test_a_broken_line_of_maxshift_is_found(name, right, wrong, tmp_path):
    exported = export(network(7, 6, 5, 3, signed=True), "net", out=tmp_path)
    path = tmp_path / "c" / name
    assert path.read_text().count(right) == 1
    path.write_text(path.read_text().replace(right, wrong))
    report = compare(exported)
    assert (report.first.layer, report.first.source) == ("fc1.maxshift", "C")


@pytest.mark.parametrize(
    ("suffix", "layer"), [("shift_b", "fc1.shift"), ("mulshift_m", "fc2.mulshift"), ("mulshift_b", "fc2.mulshift"),
                          ("mulshift_s", "fc2.mulshift"), ("add_bias_b", "fc3.add_bias")],
)  # fmt: skip
def test_a_changed_number_in_a_table_is_found_in_its_layer_and_channel(suffix, layer, tmp_path):
    exported = everything(tmp_path)
    source = tmp_path / "c" / "net.c"
    name = f"{layer.split('.', maxsplit=1)[0]}_{suffix}"
    value = int(table(source.read_text(), name)[1][2], 0)
    s = next(node.op.s for node in exported.graph.nodes if node.op.kind == "mulshift")[2]
    change = {"mulshift_s": -1, "mulshift_m": -value // 2, "mulshift_b": 9 << s}.get(suffix, 1 << 12)
    with_number(source, name, 2, str(value + change))
    report = compare(exported)
    assert (report.first.layer, report.first.source, report.first.index) == (layer, "C", (2,))


def test_a_changed_shift_of_a_layer_is_found(tmp_path):
    exported = everything(tmp_path)
    s = next(node.op.s for node in exported.graph.nodes if node.op.kind == "shift")
    with_number(tmp_path / "c" / "net.c", "fc1_shift_s", 0, str(s + 1))
    assert compare(exported).first.layer == "fc1.shift"


def test_exchanged_buffers_are_found(tmp_path):
    exported = everything(tmp_path)
    source = tmp_path / "c" / "net.c"
    text = source.read_text()
    exchanged = re.sub(r"(hb_linear_sym4\(fc2,\s+)fc1_shift,", r"\1x,", text)
    assert exchanged != text
    source.write_text(exchanged)
    assert compare(exported).first.layer == "fc2"


@pytest.mark.parametrize("kind", ["maxshift", "shift", "mulshift"])
def test_a_broken_requantizer_in_torch_is_found_and_said_to_be_pytorchs(kind, tmp_path, monkeypatch):
    exported = export(network(7, 6, 5, 3, requant=kind, signed=True), "net", out=tmp_path)
    cls = requant.REQUANTS[kind]
    right = cls.forward
    monkeypatch.setattr(cls, "forward", lambda self, acc, acc_max: right(self, acc, acc_max).clamp(-126, 126) + 1)
    first = compare(exported).first
    assert (first.layer, first.source) == (f"fc1.{kind}", "PyTorch")
    with pytest.raises(VerificationError, match="PyTorch gives"):
        exported.verify(random_samples(exported.graph, 9))


def test_a_torch_layer_that_gives_fractions_is_found(tmp_path, monkeypatch):
    exported = export(network(7, 6, 5, 3), "net", out=tmp_path)
    right = requant.MaxShift.forward
    monkeypatch.setattr(requant.MaxShift, "forward", lambda self, *args: right(self, *args) + 0.25)
    with pytest.raises(HalfbyteError, match=r"fc1\.maxshift: PyTorch's eval\(\) gives values that are no integers"):
        compare(exported)


def test_a_broken_reference_is_found_too(tmp_path, monkeypatch):
    exported = export(network(7, 6, 5, 3), "net", out=tmp_path)
    right = ops.MaxShift.reference
    monkeypatch.setattr(ops.MaxShift, "reference", lambda self, x: right(self, x) ^ 1)
    report = compare(exported)
    assert report.first.layer == "fc1.maxshift"
    assert report.mismatches > 2 * 6 * 60


def test_weights_changed_behind_the_back_of_an_export_are_found(tmp_path):
    model = network(7, 6, 5, 3)
    exported = export(model, "net", out=tmp_path)
    with torch.no_grad():
        model.fc2.weight[1] *= -1
    first = compare(exported).first
    assert (first.layer, first.source, first.index) == ("fc2", "PyTorch", (1,))


def edits():
    yield "a weight", lambda record: record["nodes"][1]["w"][0].__setitem__(0, -record["nodes"][1]["w"][0][0])
    yield "a range", lambda record: record["nodes"][2].__setitem__("hi", 126)
    yield "an input", lambda record: record["nodes"][3].__setitem__("input", "fc1")
    yield "the digest", lambda record: record.__setitem__("digest", "0" * 16)
    yield "the type", lambda record: record.__setitem__("dtype", "int8")


@pytest.mark.parametrize(("what", "edit"), list(edits()), ids=lambda value: value if isinstance(value, str) else "")
def test_an_edited_graph_does_not_match_its_digest(what, edit, tmp_path):
    export(network(7, 6, 5, 3), "net", out=tmp_path)
    path = tmp_path / "graph.json"
    record = json.loads(path.read_text())
    edit(record)
    path.write_text(json.dumps(record))
    with pytest.raises(HalfbyteError, match=r"its contents do not match its digest|not a graph of halfbyte"):
        read_graph(path)


def test_a_graph_file_cut_or_changed_anywhere_is_one_clear_error_or_the_same_graph(tmp_path):
    exported = export(network(7, 6, 5, 3), "net", out=tmp_path)
    path = tmp_path / "graph.json"
    whole = path.read_bytes()
    assert read_graph(path).digest == exported.graph.digest
    rng = np.random.default_rng(0)
    damaged = [whole[: int(n)] for n in rng.integers(0, len(whole) - 2, 40)]
    for at, byte in zip(rng.integers(0, len(whole), 300), rng.integers(0, 256, 300), strict=True):
        damaged.append(whole[:at] + bytes([byte]) + whole[at + 1 :])
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            assert read_graph(path).digest == exported.graph.digest
        except HalfbyteError as error:
            refused += 1
            assert "\n" not in str(error)  # noqa: PT017 (either outcome is right)
    assert refused > 300


def test_a_graph_file_of_another_version_or_that_is_missing_says_what_to_do(tmp_path):
    export(network(7, 6, 5, 3), "net", out=tmp_path)
    path = tmp_path / "graph.json"
    path.write_text(path.read_text().replace('"spec": 1', '"spec": 2'))
    with pytest.raises(
        HalfbyteError, match=r"written for spec version 2, this is 1; write it again with: halfbyte exp"
    ):
        read_graph(path)
    with pytest.raises(HalfbyteError, match=r"none\.json does not exist; write it again"):
        read_graph(tmp_path / "none.json")


def test_a_graph_read_again_is_the_same_to_the_byte(tmp_path):
    everything(tmp_path)
    path = tmp_path / "graph.json"
    assert read_graph(path).to_json().encode() == path.read_bytes()


def test_a_class_that_is_not_that_of_the_largest_score_is_noticed(tmp_path):
    exported = export(network(8, 5, 4), "net", out=tmp_path)
    argmax = tmp_path / "c" / "hb_argmax.c"
    text = argmax.read_text()
    broken = text.replace("return (size_t)(best - y)", "return 3")
    assert broken != text
    argmax.write_text(broken)
    report = compare(exported)
    assert report.first.layer == "(class)"
    assert report.first.source == "C"


def test_scores_that_change_behind_the_last_layer_are_noticed(tmp_path):
    exported = export(network(8, 5, 4), "net", out=tmp_path)
    source = tmp_path / "c" / "net.c"
    head, brace, tail = source.read_text().rpartition("}")
    source.write_text(f"{head}    scores[3] += 1;\n{brace}{tail}")
    report = compare(exported)
    assert report.first.layer == "(scores)"
    assert report.first.index == (3,)
    assert report.first.actual == report.first.expected + 1


@pytest.mark.parametrize("macro", ["RAW_SIZE", "INPUT_SIZE", "SCORES", "ARENA_BYTES"])
def test_a_size_that_is_not_that_of_the_network_does_not_compile(macro, tmp_path):
    exported = export(network(8, 5, 4), "net", out=tmp_path)
    header = tmp_path / "c" / "net.h"
    header.write_text(re.sub(rf"(#define HB_NET_{macro}) \d+", r"\1 4000", header.read_text()))
    with pytest.raises(HalfbyteError, match="export it again"):
        compare(exported)


def test_a_kernel_that_is_missing_is_one_line(tmp_path):
    exported = export(network(8, 5, 4), "net", out=tmp_path)
    (tmp_path / "c" / "hb_maxshift.c").unlink()
    with pytest.raises(HalfbyteError, match="lacks a kernel"):
        compare(exported)


# ---- Maps ----------------------------------------------------------------------------------------------------------


def maps(tmp_path: Path, strategy: str = "rows") -> Exported:
    """Convolutions, poolings and a global mean, streamed or by channels."""
    model = map_network(
        Input((7, 8), shift=1), torch.nn.Unflatten(1, (1, 7)), conv(1, 3, signed=True), conv(3, 3, groups=3),
        AvgPool2d(3, 1, 1), conv(3, 3, groups=3, stride=2), torch.nn.MaxPool2d(3, 1, 1), GlobalAvgPool(),
        BitLinear(3, 4, requant=None),
    )  # fmt: skip
    return export(model, "net", out=tmp_path, plan=strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_a_mutation_nothing_is_found_in_maps(strategy, tmp_path):
    assert compare(maps(tmp_path, strategy)).mismatches == 0


@pytest.mark.parametrize("name", FORMATS)
def test_one_flipped_bit_of_a_convolution_is_found_in_its_layer_and_channel(name, tmp_path):
    layers = Input((4, 4)), torch.nn.Unflatten(1, (1, 4)), conv(1, 2, format=name), torch.nn.Flatten()
    exported = export(map_network(*layers, BitLinear(32, 3, requant=None)), "net", out=tmp_path)
    at, bit, row = list(bit_flips(exported, "2"))[-1]
    source = tmp_path / "c" / "net.c"
    byte = int(table(source.read_text(), "l2_w")[1][at], 16)
    with_number(source, "l2_w", at, f"0x{byte ^ 1 << bit:02x}")
    report = compare(exported)
    assert report.first is not None
    assert (report.first.layer, report.first.source, report.first.index[-1]) == ("2", "C", row)


BROKEN_MAPS = [
    # the zeros around a map
    ("hb_rows.c", "y < 0 || y >= height", "y >= height", "rows"),
    ("hb_rows.c", "y < 0 || y >= height", "y < 0", "rows"),
    ("hb_rows.c", "(int32_t)first + j", "(int32_t)first + j + 1", "rows"),
    ("hb_conv_body.h", "row == NULL ? 0 : n_out", "row == NULL ? 0 : n_out - 1", "rows"),
    ("hb_conv_body.h", "kx - window->pad", "kx", "rows"),
    # whose turn it is
    ("net.c", "made + pad >= y * stride + size", "made + pad + 1 >= y * stride + size", "rows"),
    ("net.c", "made >= n_in ||", "made + 1 >= n_in ||", "rows"),
    ("net.c", "made >= n_in ||", "", "rows"),
    ("net.c", "y < n && (", "y + 1 < n && (", "rows"),
    # sums and means
    ("hb_sum_row.c", "+= ", "= ", "rows"),
    ("hb_average.c", "acc[i], offset", "acc[i], offset / 2", "rows"),
    # one channel at a time
    ("net.c", "for (size_t c = 0; c < 3; c++)", "for (size_t c = 1; c < 3; c++)", "channels"),
    ("net.c", "+ c * ", "+ 0 * ", "channels"),
]


@pytest.mark.parametrize(("file", "right", "wrong", "strategy"), BROKEN_MAPS)
def test_a_broken_line_of_what_works_on_maps_is_found(file, right, wrong, strategy, tmp_path):
    exported = maps(tmp_path, strategy)
    path = tmp_path / "c" / file
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    report = compare(exported, 12)
    assert report.first is not None
    assert report.first.source == "C"


@pytest.mark.parametrize(
    ("what", "strategy"), [("(c * 7 + y) * 8", "channels"), ("((size_t)y * 3 + o) * 8", "rows"), ("0, x", "rows")]
)
def test_a_tensor_that_is_traced_in_another_order_is_found(what, strategy, tmp_path):
    exported = maps(tmp_path, strategy)
    source = tmp_path / "c" / "net.c"
    text = source.read_text()
    exchanged = {"(c * 7 + y) * 8": "(y * 3 + c) * 8", "((size_t)y * 3 + o) * 8": "((size_t)o * 7 + y) * 8"}
    changed = text.replace(what, exchanged.get(what, "1, x"), 1)
    assert changed != text
    source.write_text(changed)
    assert compare(exported, 12).first is not None


def test_an_order_of_the_trace_that_is_not_that_of_the_code_is_found(tmp_path, monkeypatch):
    exported = maps(tmp_path)
    monkeypatch.setattr(
        hostlib, "in_graph_order", lambda graph, plan, node, made: made.reshape(-1, *graph.shapes[node.name])
    )
    first = compare(exported, 12).first
    assert (first.layer, first.source) == ("2", "C")
    assert first.expected != first.actual


def test_a_row_that_is_pushed_to_another_place_is_found(tmp_path):
    exported = maps(tmp_path)
    assert exported.plan.input_rows == 3
    source = tmp_path / "c" / "net.c"
    text = source.read_text()
    changed = text.replace("hb_row(ring, 8, 3, *pushed)", "hb_row(ring, 8, 2, *pushed)")
    assert changed != text
    source.write_text(changed)
    first = compare(exported, 12).first
    assert first.layer == PUSHED
