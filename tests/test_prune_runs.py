# SPDX-License-Identifier: Apache-2.0
"""`halfbyte prune`, from a finished run to one of its own; and lottery tickets."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from support import one_line

from exporter.runs import load_run
from training import checkpoint, data, loop
from training.errors import HalfbyteError
from training.prune import gradual, lottery, masks
from training.prune.apply import Method
from training.prune.runs import Finetune, prune_run
from training.recipe import load_recipe

CNN = [
    "model.layers=[{conv=6}, {conv=6, depthwise=true}, {maxpool=2}, {conv=8, kernel=2}, {linear=12, norm='none'}]",
    "model.format=int4", "model.requant=mulshift", "model.norm=batch",
    "augment.rotate=0", "augment.translate=0", "augment.scale=0", "train.lr=0.02",
]  # fmt: skip


@pytest.fixture(scope="module")
def parents(tmp_path_factory):
    """Two finished runs of the digits, fully connected and convolutional."""
    folder = tmp_path_factory.mktemp("parents")
    fc = load_recipe("digits-fc", ["train.epochs=6", "train.freeze=0.5", "model.format=int4"])
    loop.train(fc, folder / "fc", command="halfbyte run digits-fc")
    cnn = load_recipe("digits-fc", ["train.epochs=4", *CNN])
    loop.train(cnn, folder / "cnn", command="halfbyte run cnn")
    return folder


def curve(folder) -> list[list[str]]:
    return [line.split(",")[:-1] for line in (folder / "curves.csv").read_text().splitlines()]


def prune_fc(parents, out, method: Method, finetune: Finetune, **options):
    run = load_run(parents / "fc")
    return prune_run(run.model, run.recipe, out, method, finetune, **options)


def test_a_pruned_run_is_an_ordinary_run_and_says_what_it_was_made_from(halfbyte, parents, tmp_path):
    out = tmp_path / "half"
    words = ("prune", parents / "cnn", "--target-instructions", "0.5", "--structured", "--finetune", 2, "--out", out)
    code, printed, err = halfbyte(*words, "--score", "fisher", "--json")
    assert code == 0, err
    described = json.loads(printed)
    tensors, about = checkpoint.load(out / "checkpoint.safetensors")
    layers = load_recipe(out / "recipe.toml").model.layers
    widths = [layer.conv if hasattr(layer, "conv") else layer.linear for layer in (layers[0], layers[1], *layers[3:])]
    assert widths == list(described["widths"].values())[:-1] == [len(tensors[f"{p}.weight"]) for p in (
        "conv1", "conv2", "conv3", "fc1")]  # fmt: skip
    assert widths[0] == widths[1] < 6
    options = "--target-instructions 0.5 --structured --score fisher --finetune 2 --seed 1"
    command = f"halfbyte prune {parents / 'cnn'} {options}"
    assert about["command"] == command
    assert about["parent"]["command"] == "halfbyte run cnn"
    assert len(about["parent"]["digest"]) == 16
    assert not (out / "resume.safetensors").exists()
    assert halfbyte("export", out)[0] == 0
    assert halfbyte("verify", out)[0] == 0
    assert f"Again: {command}" in (out / "c" / "digits_fc.h").read_text()
    assert command in halfbyte("show", out)[1].replace("\n", " ")


def test_a_pruned_run_learns_again_and_repeats_bit_for_bit(parents, tmp_path):
    method, finetune = Method(0.6, structured=True, score="l0"), Finetune(4)
    first = prune_fc(parents, tmp_path / "a", method, finetune)
    second = prune_fc(parents, tmp_path / "b", method, finetune)
    name = "checkpoint.safetensors"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert first.widths == second.widths
    untrained = prune_fc(parents, tmp_path / "c", method, Finetune(0))
    assert untrained.widths == first.widths
    assert first.validation_accuracy > untrained.validation_accuracy + 2


class Stop(Exception):  # noqa: N818 (it is none)
    """What happens in the middle of a run."""


METHODS = {
    "channels": Method(0.5, structured=True),
    "gradual": Method(0.7),
    "gradual-wanda": Method(0.7, score="wanda"),
    "one-shot": Method(0.5, one_shot=True),
    "2:4": Method(None, n_of_m="2:4"),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_an_interrupted_pruned_run_goes_on_as_if_nothing_had_happened(parents, tmp_path, method):
    prune_fc(parents, tmp_path / "whole", method, Finetune(3), command="prune")
    finished = 0

    def stop(event):
        nonlocal finished
        finished += isinstance(event, loop.Epoch)
        if finished == 1 and not isinstance(event, loop.Epoch):
            raise Stop

    with pytest.raises(Stop):
        prune_fc(parents, tmp_path / "parts", method, Finetune(3), command="prune", progress=stop)
    with pytest.raises(HalfbyteError, match=r"was begun with: prune; resume it with the same options$"):
        prune_fc(parents, tmp_path / "parts", method, Finetune(3), command="other", resume=True)
    prune_fc(parents, tmp_path / "parts", method, Finetune(3), command="prune", resume=True)
    name = "checkpoint.safetensors"
    assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    assert curve(tmp_path / "whole") == curve(tmp_path / "parts")


@pytest.mark.parametrize("score", ["magnitude", "wanda", "fisher"])
def test_gradual_pruning_ends_at_the_target_and_keeps_the_masks(parents, tmp_path, score):
    pruned = prune_fc(parents, tmp_path / "run", Method(0.7, score=score), Finetune(3))
    gone = sum(int((~layer.mask).sum()) for layer in masks.layers_of(pruned.model).values())
    assert gone == round(0.7 * 4928)
    assert pruned.sparsity >= 0.7
    assert pruned.validation_accuracy > 70
    rows = load_recipe(tmp_path / "run" / "recipe.toml").prune
    assert (rows.sparsity, rows.begin, rows.end, rows.score) == (0.7, 0.0, 0.5, score)


def test_with_norms_alone_the_matrices_stay_as_they_are(parents, tmp_path):
    run = load_run(parents / "cnn")
    method = Method(0.4, structured=True)
    cut = prune_run(run.model, run.recipe, tmp_path / "cut", method, Finetune(0)).model
    learned = prune_run(run.model, run.recipe, tmp_path / "norms", method, Finetune(8, "norms"))
    for path, layer in masks.layers_of(learned.model).items():
        assert torch.equal(layer.weight, cut.get_submodule(path).weight), path
        assert torch.equal(layer.levels(), cut.get_submodule(path).levels()), path
    assert not torch.equal(learned.model.conv1.requant.gamma, cut.conv1.requant.gamma)
    assert learned.validation_accuracy > load_accuracy(tmp_path / "cut")


def load_accuracy(folder) -> float:
    return checkpoint.load(folder / "checkpoint.safetensors")[1]["validation_accuracy"]


def test_the_validation_images_of_a_pruned_run_are_those_of_its_parent_under_any_seed(parents, tmp_path):
    parent = load_run(parents / "fc").recipe
    prune_fc(parents, tmp_path / "run", Method(0.3, structured=True), Finetune(1, seed=7))
    recipe = load_recipe(tmp_path / "run" / "recipe.toml")
    assert recipe.train.seed == 7
    ours, theirs = loop.split(recipe)[1], loop.split(parent)[1]
    assert (ours.x == theirs.x).all()
    other = data.split(data.load_train("digits"), 7)[1]
    assert not (ours.x == other.x).all()
    again = load_run(tmp_path / "run")
    prune_run(again.model, again.recipe, tmp_path / "twice", Method(0.3, structured=True), Finetune(1, seed=8))
    assert load_recipe(tmp_path / "twice" / "recipe.toml").train.split == 1


def test_a_run_of_a_format_without_0_is_pruned_in_another_one(halfbyte, parents, tmp_path):
    sym4, out = tmp_path / "sym4", tmp_path / "out"
    loop.train(load_recipe("digits-fc", ["train.epochs=2"]), sym4)
    options = ("prune", sym4, "--target-sparsity", "0.5", "--finetune", 1, "--out", out)
    code, _, err = halfbyte(*options)
    assert code == 2
    assert "fc1: format sym4 has no level 0" in err
    assert not out.exists()
    assert halfbyte(*options, "--set", "model.format=int4")[0] == 0
    assert load_recipe(out / "recipe.toml").model.format == "int4"


def test_a_self_compressed_run_keeps_the_bits_of_the_rows_that_stay(halfbyte, tmp_path):
    settings = ["train.epochs=2", "model.format=int8", "compress.gamma=0.015"]
    loop.train(load_recipe("digits-fc", settings), tmp_path / "bits")
    words = ("--target-sparsity", "0.5", "--structured", "--finetune", 1)
    assert halfbyte("prune", tmp_path / "bits", *words, "--out", tmp_path / "out")[0] == 0
    for layer in masks.layers_of(load_run(tmp_path / "out").model).values():
        assert len(layer.row_bits.bits) == layer.out_channels
    assert halfbyte("export", tmp_path / "out")[0] == 0
    assert halfbyte("verify", tmp_path / "out")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one target: --target-sparsity 0.5, --target-instructions 0.5, or --nm 2:4"),
        (["--target-sparsity", "0.5", "--nm", "2:4"], "give one target"),
        (["--target-sparsity", "1.5"], "sparsity must be at least 0 and below 1, got 1.5"),
        (["--target-sparsity", "0.999", "--structured"], "0.9848 of the weights are gone, which is the nearest"),
        (["--target-sparsity", "0.9999", "--finetune", "0"], "would empty fc3; the nearest"),
        (["--target-instructions", "0.5"], "--target-instructions takes --structured"),
        (["--target-sparsity", "0.5", "--score", "wand"], "unknown pruning score 'wand'; there are magnitude, wanda"),
        (["--target-sparsity", "0.5", "--score", "l0"], "score 'l0' is learned for channels"),
        (["--target-sparsity", "0.5", "--train", "none"], "train must be one of all, norms, got 'none'"),
        (["--target-sparsity", "0.5", "--train", "norms"], "no biases, gains or scales to train"),
        (["--target-sparsity", "0.5", "--set", "train.lrr=1"], "unknown key 'train.lrr'; did you mean"),
        (["--target-sparsity", "0.5", "--set", "model.scale=channel"], "layers and their scales stay"),
        (["--target-sparsity", "0.5", "--resume"], "holds no interrupted run"),
    ],
)  # fmt: skip
def test_a_refused_prune_is_one_line_and_leaves_nothing(halfbyte, parents, tmp_path, words, message):
    out = tmp_path / "out"
    code, _, err = halfbyte("prune", parents / "fc", "--out", out, *words)
    assert code == 2
    assert message in err
    assert one_line(err.strip())
    assert not out.exists()


def test_a_sparsity_that_gradual_pruning_cannot_reach_is_refused_before_it_trains(halfbyte, parents, tmp_path):
    out = tmp_path / "out"
    code, _, err = halfbyte("prune", parents / "fc", "--target-sparsity", "0.9999", "--finetune", 3, "--out", out)
    assert code == 2
    assert "would empty fc3" in err
    assert not out.exists()


def test_a_damaged_run_is_refused_and_a_finished_one_is_not_overwritten(halfbyte, parents, tmp_path):
    spoiled = shutil.copytree(parents / "fc", tmp_path / "spoiled")
    path = spoiled / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    code, _, err = halfbyte("prune", spoiled, "--target-sparsity", "0.5", "--out", tmp_path / "out")
    assert code == 2
    assert "damaged" in err
    assert not (tmp_path / "out").exists()
    code, _, err = halfbyte("prune", parents / "fc", "--target-sparsity", "0.5", "--out", parents / "cnn")
    assert code == 2
    assert "holds a finished run" in err


def test_the_schedule_rises_fast_at_first_and_stays_at_the_target():
    prune = gradual_section(sparsity=0.8, begin=0.2, end=0.6)
    found = [gradual.scheduled(prune, at) for at in (0.0, 0.2, 0.4, 0.6, 1.0)]
    assert found == pytest.approx([0, 0, 0.7, 0.8, 0.8])


def gradual_section(**options):
    return load_recipe("digits-fc", [f"prune.{key}={value}" for key, value in options.items()]).prune


def test_a_learned_score_is_refused_in_a_recipe():
    with pytest.raises(HalfbyteError, match=r"prune\.score = 'l0': input should be magnitude, wanda, fisher"):
        load_recipe("digits-fc", ["prune.sparsity=0.5", "prune.score=l0"])


# -- lottery


@pytest.fixture
def ticket_recipe():
    return load_recipe("digits-fc", ["train.epochs=3", "model.format=int4", "train.average=0.5"])


def test_a_lottery_trains_tickets_and_both_controls_and_goes_on_where_it_stopped(ticket_recipe, tmp_path):
    rows = list(lottery.lottery(ticket_recipe, tmp_path / "whole", rounds=2, rewind=1))
    assert [(row.round, row.kind) for row in rows] == [
        (0, "ticket"), *((n, kind) for n in (1, 2) for kind in ("ticket", "random mask", "reinit")),
    ]  # fmt: skip
    expected = {0: 0.0, 1: 0.2, 2: 0.36}
    assert all(row.sparsity == pytest.approx(expected[row.round], abs=2e-4) for row in rows)
    assert all(row.validation_accuracy == load_accuracy(row.folder) > 30 for row in rows)

    seen = 0

    def stop(event):
        nonlocal seen
        seen += isinstance(event, loop.Epoch)
        if seen == 8:
            raise Stop

    with pytest.raises(Stop):
        list(lottery.lottery(ticket_recipe, tmp_path / "parts", rounds=2, rewind=1, progress=stop))
    again = list(lottery.lottery(ticket_recipe, tmp_path / "parts", rounds=2, rewind=1))
    assert [(r.kind, r.sparsity, r.validation_accuracy) for r in again] == [
        (r.kind, r.sparsity, r.validation_accuracy) for r in rows
    ]
    trained: list[object] = []
    list(lottery.lottery(ticket_recipe, tmp_path / "whole", rounds=2, rewind=1, progress=trained.append))
    assert trained == []


def test_a_ticket_begins_with_the_weights_of_the_early_epoch_under_the_mask_it_found(
    ticket_recipe, tmp_path, monkeypatch
):
    rows = {(r.round, r.kind): r for r in lottery.lottery(ticket_recipe, tmp_path, rounds=1, rewind=1)}
    early, _ = checkpoint.load(tmp_path / "rewind.safetensors")
    folders = {kind: rows[1, kind].folder for kind in ("ticket", "random mask", "reinit")}
    found = {kind: checkpoint.load(path / "checkpoint.safetensors")[0] for kind, path in folders.items()}
    dense = load_run(rows[0, "ticket"].folder).model
    for path, layer in masks.layers_of(dense).items():
        mask = found["ticket"][f"{path}.mask"]
        assert torch.equal(mask, found["reinit"][f"{path}.mask"])
        assert mask.sum() == found["random mask"][f"{path}.mask"].sum()
        assert not torch.equal(mask, found["random mask"][f"{path}.mask"])
        size = layer.weight.abs()
        assert size[mask].min() >= size[~mask].max()
    starts = {}

    def start(model, **_):
        raise Stop

    (tmp_path / "again").mkdir()
    run = lottery._Run(ticket_recipe, tmp_path, lambda _: None)
    monkeypatch.setattr(loop, "train", lambda *a, **k: starts.update(k) or (_ for _ in ()).throw(Stop))
    kept = {path: found["ticket"][f"{path}.mask"] for path in masks.layers_of(dense)}
    with pytest.raises(Stop):
        run.rewound(tmp_path / "again", tmp_path / "rewind.safetensors", kept)
    state, about = checkpoint.load(tmp_path / "again" / "resume.safetensors")
    assert starts["resume"]
    assert len(about["history"]) == 1
    assert all(torch.equal(state[name], tensor) for name, tensor in early.items())
    assert torch.equal(state["fc1.mask"], kept["fc1"])
    assert torch.equal(state["average.fc1.mask"], kept["fc1"])


@pytest.mark.parametrize(
    ("sets", "options", "message"),
    [
        (["prune.sparsity=0.5"], {}, "a lottery prunes by itself"),
        (["model.format=sym4"], {}, "fc1: format sym4 has no level 0"),
        ([], {"rewind": 0}, "rewind must be an epoch from 1 to 2"),
        ([], {"rewind": 3}, "rewind must be an epoch from 1 to 2"),
    ],
)
def test_a_lottery_that_cannot_be_is_refused(tmp_path, sets, options, message):
    recipe = load_recipe("digits-fc", ["train.epochs=3", "model.format=int4", *sets])
    with pytest.raises(HalfbyteError, match=message):
        list(lottery.lottery(recipe, tmp_path / "run", **{"rounds": 1, "rewind": 1, **options}))
    assert not (tmp_path / "run").exists()


def test_a_pruned_network_may_follow_the_one_it_was(parents, tmp_path):
    run = load_run(parents / "cnn")
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    method, sets = Method(0.4, structured=True), ("train.distill=0.7",)
    plain = prune_run(run.model, run.recipe, tmp_path / "plain", method, Finetune(2))
    taught = prune_run(run.model, run.recipe, tmp_path / "taught", method, Finetune(2, sets=sets))
    assert plain.widths == taught.widths
    assert not torch.equal(plain.model.conv1.weight, taught.model.conv1.weight)
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.model.state_dict().items())


def test_a_network_that_was_not_pruned_has_nothing_to_follow(halfbyte, tmp_path):
    code, _, said = halfbyte("train", "digits-fc", "--set", "train.distill=0.5", "--out", tmp_path / "run")
    assert code == 2
    assert "train.distill = 0.5 follows the network that was pruned: halfbyte prune" in said
