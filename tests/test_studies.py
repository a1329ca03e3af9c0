# SPDX-License-Identifier: Apache-2.0
"""Studies: what they train is measured once, gone on with, and shown as table and plot."""

from __future__ import annotations

import pytest

from exporter.studies import STUDIES, page
from exporter.studies.base import Step, of_steps, setting_words
from training.errors import HalfbyteError


def steps(epochs):
    settings = ("model.format=int4", "model.layers=[{linear=8}]", f"train.epochs={epochs}", "export.optimize=size")
    dense = Step("dense", "dense", ("run", "digits-fc", *setting_words(settings)))
    pruned = ("prune", "@dense", "--target-sparsity", "0.5", "--finetune", "1")
    return [dense, Step("half", "pruned", pruned)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


def test_a_study_measures_every_network_and_trains_none_twice(folder):
    study = of_steps("toy", "Does it work?", steps, epochs=2, seeds=(1,))
    rows = list(study.rows(2, (1,), folder, 1))
    trained = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert [row.step for row in rows] == ["dense", "half"]
    assert all(0 < row.weight_bytes < row.linked_bytes and row.instructions > 0 for row in rows)
    assert list(study.rows(2, (1,), folder, 1)) == rows
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == trained
    text = page.page(study, rows, 2, "\n## Answer\n")
    assert f"| {rows[1].linked_bytes:,} |" in text
    assert text.endswith("## Answer\n")
    page.plot(study, rows, folder / "toy.png")
    assert (folder / "toy.png").read_bytes()[:4] == b"\x89PNG"


def test_what_a_command_of_a_study_refuses_is_said(folder):
    bad = Step("bad", "bad", ("run", "digits-fc", "--set", "train.lr=-1.0"))
    study = of_steps("toy", "", lambda _: [bad], epochs=1)
    with pytest.raises(HalfbyteError, match=r"^halfbyte run digits-fc .*: .*train\.lr = -1\.0"):
        list(study.rows(1, (1,), folder, 1))


def test_names_of_networks_are_different():
    for study in (study for study in STUDIES.values() if study.name != "lottery"):
        names = [step.name for step in study.rows.args[0](study.epochs)]
        assert len(names) == len(set(names)) == study.count


def test_an_unknown_study_and_other_epochs_are_refused(halfbyte, tmp_path):
    code, _, said = halfbyte("study", "weather")
    assert code == 2
    assert "no study 'weather'; there are capacity" in said
    (tmp_path / "epochs").write_text("3\n")
    code, _, said = halfbyte("study", "norms", "--epochs", "2", "--out", tmp_path)
    assert code == 2
    assert "holds runs of 3 epochs; give --epochs 3, or choose another --out" in said
