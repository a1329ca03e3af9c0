# SPDX-License-Identifier: Apache-2.0
"""Formats chosen by measured sensitivity: the best of all combinations, within bytes of flash or a chip."""

from __future__ import annotations

import itertools
import json
import tomllib

import numpy as np
import pytest
import torch
from support import integers, network, one_line

from exporter.mixed import Option, choose, choose_with_kernels
from training.errors import HalfbyteError
from training.formats import FORMATS
from training.loop import train
from training.recipe import load_recipe
from training.sensitivity import loss_increases, validation

NAMES = ("binary", "sym2", "sym4", "sym5", "int8")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained run of int8, and its network."""
    folder = tmp_path_factory.mktemp("bits") / "run"
    model = train(load_recipe("digits-fc", ["model.format=int8", "train.epochs=12"]), folder)
    return folder, model


def tables(rng, layers=4):
    return [
        [Option(name, int(rng.integers(1, 30)), float(rng.integers(0, 40)) / 8) for name in NAMES]
        for _ in range(layers)
    ]


@pytest.mark.parametrize("seed", range(30))
def test_what_is_chosen_is_the_best_of_all_combinations(seed):
    rng = np.random.default_rng(seed)
    layers, budget = tables(rng), int(rng.integers(5, 90))
    every = [(sum(o.loss for o in c), sum(o.bytes for o in c)) for c in itertools.product(*layers)]
    best = min((pair for pair in every if pair[1] <= budget), default=None)
    chosen = choose(layers, budget)
    assert (None if chosen is None else (chosen.loss, chosen.bytes)) == best
    if chosen is not None:
        assert chosen.bytes == sum(option.bytes for option in chosen.options)


@pytest.mark.parametrize("seed", range(10))
def test_with_kernels_every_format_that_is_used_pays_for_its_own(seed):
    rng = np.random.default_rng(seed)
    layers, budget = tables(rng, 3), int(rng.integers(40, 120))
    kernels = {name: int(rng.integers(5, 40)) for name in NAMES}
    found = []
    for c in itertools.product(*layers):
        used = {o.format for o in c}
        total = sum(o.bytes for o in c) + sum(kernels[name] for name in used)
        if len(used) <= 2 and total <= budget:
            found.append((sum(o.loss for o in c), total))
    chosen = choose_with_kernels(layers, kernels, budget, most=2)
    assert (None if chosen is None else (chosen.loss, chosen.bytes)) == min(found, default=None)


def test_another_format_there_and_back_makes_the_same_integers():
    model = network(16, 12, 6, 3, format="int8")
    x = torch.randint(0, 256, (50, 16), dtype=torch.uint8)
    before = integers(model(x))
    for name in ("sym2", "float", "int8"):
        for layer in (model.fc1, model.fc2, model.fc3):
            layer.change_format(name)
        if name != "int8":
            assert not torch.equal(model(x).double(), torch.as_tensor(before).double())
    assert np.array_equal(integers(model(x)), before)


@pytest.mark.parametrize(
    "options", [{}, {"requant": "shift"}, {"requant": "mulshift", "norm": "batch", "scale": "channel"}]
)
def test_logits_stay_what_they_are_where_the_format_is_almost_as_fine(options):
    """The requantizer and the temperature follow the scale of the sums: of sym5, a quarter of that of int8.

    Behind maxshift no scale stays but a power of two.
    """
    last = {} if not options else {"bias": True}
    model = network(40, 32, 24, 5, format="int8", last=last, **options)
    if last:
        torch.nn.init.normal_(model.fc3.bias.bias)
    x = torch.randint(0, 100, (200, 40), dtype=torch.uint8)
    model.train()
    for _ in range(30):
        model(x)
    model.eval()
    before = model.fc3.scores_to_logits(model(x))
    for layer in (model.fc1, model.fc2, model.fc3):
        layer.change_format("sym5")
    after = model.fc3.scores_to_logits(model(x))
    assert (after - before).square().mean() < (0.05 if options else 0.2) * before.var()


def test_a_pruned_layer_cannot_have_a_format_without_zero_and_stays_as_it_was():
    model = network(16, 12, 3, format="int4")
    mask = torch.ones_like(model.fc1.weight, dtype=torch.bool)
    mask[0, 0] = False
    model.fc1.prune(mask)
    before = model.fc1.levels()
    with pytest.raises(HalfbyteError, match="sym4 has no level 0"):
        model.fc1.change_format("sym4")
    assert torch.equal(model.fc1.levels(), before)


def test_a_layer_adds_nothing_in_its_own_format_and_more_in_coarser_ones(run):
    _, model = run
    _, losses = loss_increases(model, validation(load_recipe("digits-fc"), 100))
    assert list(losses) == ["fc1", "fc2", "fc3"]
    for by_format in losses.values():
        assert list(by_format) == list(FORMATS)
        assert by_format["int8"] == 0
    assert losses["fc1"]["binary"] > losses["fc1"]["sym4"] > 0
    assert model.fc1.fmt.name == "int8"


def test_bits_writes_a_recipe_that_takes_the_bytes_it_said(run, halfbyte, tmp_path):
    folder, _ = run
    out = tmp_path / "mine.toml"
    code, said, _ = halfbyte("bits", folder, "--flash", "2000", "--out", out, "--json")
    assert code == 0
    record = json.loads(said)
    assert record["bytes"] <= 2000
    model = tomllib.loads(out.read_text())["model"]
    formats = [*(layer["format"] for layer in model["layers"]), model["last"]["format"]]
    assert formats == [layer["format"] for layer in record["layers"].values()]
    assert len(set(formats)) > 1 or "int8" not in formats
    code, _, _ = halfbyte("train", out, "--set", "train.epochs=1", "--out", tmp_path / "new")
    assert code == 0
    assert halfbyte("export", tmp_path / "new")[0] == 0
    code, shown, _ = halfbyte("show", tmp_path / "new", "--json")
    assert json.loads(shown)["weight_bytes"] == record["bytes"]


def test_a_budget_that_cannot_be_met_says_the_nearest_that_can(run, halfbyte):
    folder, _ = run
    code, _, err = halfbyte("bits", folder, "--flash", "100")
    assert code == 2
    assert one_line(err.strip())
    nearest = int(err.split("take ")[1].split(" bytes")[0].replace(",", ""))
    assert halfbyte("bits", folder, "--flash", nearest)[0] == 0
    assert halfbyte("bits", folder, "--flash", nearest - 1)[0] == 2


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "give either --flash BYTES or --chip CHIP"),
        (("--flash", "5000", "--chip", "host"), "give either"),
        (("--flash", "5000", "--out", "mine"), "--out mine: a recipe is a .toml file"),
        (("--chip", "z80"), "z80"),
    ],
)
def test_bits_refuses_what_it_cannot_do_in_one_line(run, halfbyte, words, error):
    code, _, err = halfbyte("bits", run[0], *words)
    assert code == 2
    assert error in err
    assert one_line(err.strip())


def test_bits_for_a_chip_fits_it(run, halfbyte):
    code, said, _ = halfbyte("bits", run[0], "--chip", "ch32v003", "--images", "50")
    assert code == 0
    assert "of 16,384 bytes of ch32v003" in said
