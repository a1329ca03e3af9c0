# SPDX-License-Identifier: Apache-2.0
"""Codecs: what they pack comes back, kernels make the reference's integers, and a choice is kept and reported."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import level_matrices
from support import ROOT, compile_with, network
from torch import nn

from exporter.chips.chip import load_chip
from exporter.chips.emulate import emulate
from exporter.chips.image import Options, build
from exporter.codecs import CODECS, CodecError
from exporter.codecs.huffman import lengths
from exporter.coding import coded
from exporter.export import export
from exporter.graph import read_graph
from exporter.report import describe
from exporter.runs import export_run, load, verify_run
from exporter.verify import random_samples
from training.errors import HalfbyteError
from training.layers import BitLinear, Input

every_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=list(CODECS))
SHIPPED = ROOT / "models" / "mnist-fc-12k"


@every_codec
@given(level_matrices(max_out=70))
@settings(max_examples=60)
def test_what_is_packed_comes_back(codec, drawn):
    _, levels = drawn
    try:
        data = codec.pack(levels)
    except CodecError as why:
        assert str(why)  # noqa: PT017
        return
    assert data.dtype == np.uint8
    assert np.array_equal(codec.unpack(data, *levels.shape), levels)


@every_codec
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (300, 2)])
def test_tensors_of_any_shape_come_back(codec, shape):
    for level in (0, -7):
        levels = np.full(shape, level)
        levels[::2] = 0
        assert np.array_equal(codec.unpack(codec.pack(levels), *shape), levels)


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=32), st.integers(5, 7))
def test_code_lengths_are_limited_fill_the_code_space_and_shorten_what_is_frequent(counts, longest):
    bits = lengths(counts, longest)
    assert bits.min() >= 1
    assert bits.max() <= longest
    assert sum(2.0**-bits) == 1
    for a, b in zip(np.argsort(counts)[:-1], np.argsort(counts)[1:], strict=True):
        assert counts[a] == counts[b] or bits[a] >= bits[b]


def test_code_lengths_are_the_best_ones_of_a_known_example():
    assert lengths([5, 9, 12, 13, 16, 45]).tolist() == [4, 4, 3, 3, 3, 1]
    assert lengths([1, 1, 2, 4, 8, 16], 3).tolist() == [3, 3, 3, 3, 2, 2]


def drawn_network(seed):
    model = network(40, 33, 17, 9, format="int4")
    rng = np.random.default_rng(seed)
    for layer in list(model)[2:]:
        w = layer.weight.data
        w[rng.random(w.shape) < 0.6] = 0
    return model


@every_codec
@pytest.mark.parametrize("seed", [1, 2])
def test_coded_layers_make_the_integers_of_plain_ones(codec, seed):
    model = drawn_network(seed)
    plain, coded = export(model, "net"), export(model, "net", codec=codec.name)
    assert coded.graph.digest == plain.graph.digest
    assert coded.graph.codecs == dict.fromkeys(("fc1", "fc2", "fc3"), codec.name)
    compile_with(coded, "-O0", "-Werror")
    assert coded.verify(random_samples(coded.graph, 12, seed)).mismatches == 0


def test_a_level_too_many_is_refused_by_name_of_layer(tmp_path):
    with pytest.raises(HalfbyteError, match=r"^fc1: codec huffman cannot hold it: .* its table holds 32"):
        export(network(40, 33, 9, format="int8"), "net", out=tmp_path, codec="huffman")
    assert not any(tmp_path.iterdir())


def test_unknown_choices_are_refused_with_the_known_ones():
    with pytest.raises(HalfbyteError, match=r"--codec zip: expected one of plain, huffman"):
        export(network(4, 3), "net", codec="zip")
    with pytest.raises(HalfbyteError, match=r"--optimize most: expected one of speed, size, balance"):
        export(network(4, 3), "net", optimize="most")


@pytest.fixture(scope="module")
def coded_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coded") / "run"
    shutil.copytree(SHIPPED, folder)
    export_run(folder, optimize="size")
    return folder


def test_a_run_of_coded_weights_is_smaller_and_says_which_codec_each_tensor_has(coded_run):
    graph, plain = read_graph(coded_run / "graph.json"), read_graph(SHIPPED / "graph.json")
    assert graph.digest == plain.digest
    assert graph.codecs["fc1"] == "huffman"
    assert graph.weight_bytes <= 0.8 * plain.weight_bytes
    records = {node["name"]: node for node in json.loads((coded_run / "graph.json").read_text())["nodes"]}
    assert records["fc1"]["codec"] == "huffman"
    assert "codec" not in records["fc1.maxshift"]
    assert load(coded_run).graph.codecs == graph.codecs


def test_a_flipped_bit_of_a_coded_weight_is_noticed(coded_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(coded_run, folder)
    assert verify_run(folder, images=20, random=8).mismatches == 0
    source = folder / "c" / "mnist_fc_12k.c"
    text = source.read_text()
    start = text.index("fc1_w[")
    at = text.index("0x", text.index("\n", start + 600)) + 3
    flipped = text[:at] + f"{int(text[at], 16) ^ 1:x}" + text[at + 1 :]
    source.write_text(flipped)
    assert verify_run(folder, images=20, random=8).mismatches > 0


def test_exporting_for_speed_writes_what_it_always_wrote(tmp_path, coded_run):
    folder = tmp_path / "run"
    shutil.copytree(coded_run, folder)
    assert (folder / "c" / "hb_codecs.h").exists()
    export_run(folder)
    again, shipped = contents(folder), contents(SHIPPED)
    assert again.keys() == shipped.keys()
    assert {name for name in again if again[name] != shipped[name]} <= {"mnist_fc_12k.h"}  # whose head says: verified


def contents(folder):
    paths = [folder / "graph.json", folder / "plan.json", *sorted((folder / "c").iterdir())]
    return {path.name: path.read_bytes() for path in paths}


def test_a_recipe_says_how_its_weights_are_stored(halfbyte, tmp_path):
    words = ("--set", "model.format=int4", "--set", "train.epochs=1", "--set", "prune.sparsity=0.8")
    code, _, said = halfbyte("run", "digits-fc", *words, "--set", "export.optimize=size", "--out", tmp_path / "run")
    assert code == 0, said
    assert read_graph(tmp_path / "run" / "graph.json").codecs
    assert halfbyte("export", tmp_path / "run", "--optimize", "speed")[0] == 0
    assert not read_graph(tmp_path / "run" / "graph.json").codecs


@pytest.fixture(scope="module")
def sparse(tmp_path_factory):
    """A network whose plain weights do not fit a ch32v003, but seven of eight are 0."""
    pytest.importorskip("ziglang", reason="the cross compiler is not installed")
    pytest.importorskip("unicorn", reason="the emulator is not installed")
    model, rng = network(256, 100, 80, 10, shape=(16, 16), shift=1, format="int4"), np.random.default_rng(1)
    for name in ("fc1", "fc2", "fc3"):
        w = model.get_submodule(name).weight.data
        w[rng.random(w.shape) < 0.875] = 0
    return export(model, "sparse", out=tmp_path_factory.mktemp("sparse"))


CHIP = load_chip("ch32v003")


def test_what_does_not_fit_a_chip_as_it_is_gives_way_to_codecs(sparse):
    x = random_samples(sparse.graph, 2)
    with pytest.raises(HalfbyteError, match="does not fit ch32v003: flash"):
        build(sparse.folder, CHIP, x, Options(codec="plain"))
    report = emulate(sparse.folder, CHIP, x)
    assert report.mismatches == 0
    assert {layer.variant for layer in report.layers if layer.name == "fc1"} <= set(CODECS)


def test_size_takes_the_fewest_bytes_and_speed_the_fewest_instructions(sparse):
    chip, x = load_chip("stm32g030"), random_samples(sparse.graph, 2)
    found = {goal: emulate(sparse.folder, chip, x, Options(optimize=goal)) for goal in ("speed", "balance", "size")}
    assert [report.mismatches for report in found.values()] == [0, 0, 0]
    assert found["size"].flash <= found["balance"].flash <= found["speed"].flash
    assert found["speed"].instructions <= found["balance"].instructions <= found["size"].instructions
    forced = [build(sparse.folder, chip, x, Options(codec=name)).sizes.flash for name in CODECS]
    assert found["size"].flash <= min(forced)


def test_a_chip_keeps_the_codecs_of_a_run_unless_it_is_told_what_to_optimize_for(sparse, tmp_path):
    folder, x = tmp_path / "coded", random_samples(sparse.graph, 1)
    shutil.copytree(sparse.folder, folder)
    export(sparse.model, "sparse", out=folder, codec="huffman")
    chip = load_chip("stm32g030")
    assert set(build(folder, chip, x).graph.codecs.values()) == {"huffman"}
    assert build(folder, chip, x, Options(codec="plain")).graph.codecs == {}
    assert "huffman" not in build(folder, chip, x, Options(optimize="speed")).graph.codecs.values()


def test_show_says_how_each_tensor_is_stored_and_what_else_it_could_be(coded_run):
    described = describe(coded_run)
    for layer in ("fc1", "fc2"):
        found = {way["name"]: way for way in described["ways"][layer]}
        assert {"portable", *CODECS} <= set(found)
        assert [name for name, way in found.items() if way["chosen"]] == ["huffman"]
        stored = next(one for one in described["layers"] if one["name"] == layer)
        assert found["huffman"]["bytes"] == stored["bytes"] < found["portable"]["bytes"]
        assert found["portable"]["instructions"] > 0


def test_rice_takes_shifts_where_they_make_it_shorter():
    rng = np.random.default_rng(3)
    levels = rng.integers(-3, 4, (40, 30)) * 2 ** rng.integers(0, 5, 40)[:, None]
    data = CODECS["rice"].pack(levels)
    assert data[3] & 8
    assert np.array_equal(CODECS["rice"].unpack(data, *levels.shape), levels)
    plain = CODECS["rice"].pack(np.array([[1, 2], [0, 4]]))
    assert not plain[3] & 8
    layer = BitLinear(30, 40, format="int8", requant="mulshift")
    layer.weight.data.copy_(torch.as_tensor(levels))
    layer.clip_scale.fill_(1)
    layer.frozen.fill_(1)
    model = nn.Sequential(Input((30,)), layer, BitLinear(40, 5, requant=None)).eval()
    coded = export(model, "net", codec="rice")
    assert coded.verify(random_samples(coded.graph, 20, 1)).mismatches == 0


def test_a_codec_that_was_asked_for_does_not_give_way(coded_run):
    chip, x = load_chip("ch32v003"), np.zeros((0, 28, 28), np.uint8)
    assert set(build(coded_run, chip, x, Options(samples=0, codec="huffman")).graph.codecs.values()) == {"huffman"}
    with pytest.raises(HalfbyteError, match="does not fit ch32v003: flash needs"):
        build(coded_run, chip, x, Options(samples=0, codec="widths"))


def test_balance_codes_what_is_sparse_and_leaves_what_a_fast_kernel_has():
    dense, sparse = (read_graph(ROOT / "models" / name / "graph.json") for name in ("mnist-fc-12k", "mnist-fc-pruned"))
    sparse = coded(sparse, "speed", "plain")
    assert coded(dense, "balance").codecs == {}
    assert coded(dense, "size").codecs["fc1"] == "huffman"
    balanced, smallest = coded(sparse, "balance"), coded(sparse, "size")
    assert balanced.codecs["fc1"] == "runs"
    assert smallest.codecs["fc1"] == "rice"
    assert smallest.weight_bytes < balanced.weight_bytes
