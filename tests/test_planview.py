# SPDX-License-Identifier: Apache-2.0
"""The memory plan as `halfbyte show` prints and draws it, and what is alive at its peak."""

from __future__ import annotations

import io
import json
import sys

import pytest
from rich.console import Console

from exporter import planview
from exporter.chips.untrained import export_untrained
from exporter.runs import export_run
from halfbyte import cli
from training import loop
from training.plots import plot_plan
from training.recipe import load_recipe

CNN = [
    'model.requant="mulshift"',
    'model.norm="batch"',
    "model.layers=[{conv=6,padding=1},{conv=6,depthwise=true,padding=1},{maxpool=2},{conv=8},{global_average=true}]",
]


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    exported = export_untrained(load_recipe("digits-fc", CNN), tmp_path_factory.mktemp("cnn"), plan="rows")
    return planview.to_json(exported.graph, exported.plan), exported.plan


def test_the_peak_is_the_stage_whose_buffers_reach_the_end_of_the_arena(view):
    _, plan = view
    stage, alive = planview.peak(plan)
    assert stage in planview.stage_names(plan)
    assert max(b.offset + b.size for b in alive) in range(plan.arena_bytes - 3, plan.arena_bytes + 1)
    assert [b.size for b in alive] == sorted((b.size for b in alive), reverse=True)
    at = planview.stage_names(plan).index(stage)
    assert all(b.first <= at <= b.last for b in alive)


def test_the_table_has_a_line_for_every_buffer_and_says_how_many_rows_are_kept(view):
    shown, plan = view
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(planview.plan_table(shown))
    text = console.export_text()
    assert all(name in text for name in plan.places)
    assert "3 of 8" in text
    lines = planview.group_lines(shown)
    assert lines[0].startswith("row by row   conv1, conv2, pool1, conv3, pool2")
    assert lines[-1].startswith("input        may come row by row")


def test_the_picture_is_a_png_and_without_matplotlib_there_is_none(view, monkeypatch, tmp_path):
    shown, _ = view
    plot_plan(tmp_path / "plan.png", "cnn", shown)
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr("training.plots.find_spec", lambda _: None)
    plot_plan(tmp_path / "none.png", "cnn", shown)
    assert not (tmp_path / "none.png").exists()


def test_show_tells_the_plan_that_the_run_was_exported_with(monkeypatch, capsys, tmp_path):
    loop.train(load_recipe("digits-fc", ["train.epochs=1", *CNN]), tmp_path, command="halfbyte run digits-fc")
    export_run(tmp_path)

    def halfbyte(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["halfbyte", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return left.value.code or 0, capsys.readouterr().out

    for plan in ("layer", "rows"):
        assert halfbyte("export", str(tmp_path), "--plan", plan)[0] == 0
        code, out = halfbyte("show", str(tmp_path), "--json")
        shown = json.loads(out)["plan"]
        assert (code, shown["strategy"]) == (0, plan)
        assert shown["arena_bytes"] == json.loads((tmp_path / "plan.json").read_text())["arena_bytes"]
    assert (tmp_path / "plan.png").is_file()
    assert "memory plan" in halfbyte("show", str(tmp_path))[1]
    assert halfbyte("export", str(tmp_path), "--plan", "columns")[0] == 2
