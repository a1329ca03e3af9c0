# SPDX-License-Identifier: Apache-2.0
"""The command line: what a user types, what comes back, and what a refused input looks like."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from training import loop

RUN = [sys.executable, "-m", "halfbyte.cli", "run", "digits-fc", "--set", "train.epochs=2", "--out"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the digits, two epochs long; tests copy it."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    command = [
        sys.executable,
        "-m",
        "halfbyte.cli",
        "run",
        "digits-fc",
        "--set",
        "train.epochs=2",
        "--out",
        str(folder),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def run_folder(finished, tmp_path):
    """A copy of the finished run that a test may spoil."""
    return shutil.copytree(finished, tmp_path / "run")


def test_a_run_leaves_one_file_for_each_stage_and_nothing_else(finished):
    files = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    events = {file for file in files if file.startswith("tensorboard/events")}
    kernels = {"hb_argmax", "hb_input_shift_u8", "hb_linear_sym4", "hb_maxshift"}
    assert events
    assert files - events == {
        "recipe.toml", "curves.csv", "checkpoint.safetensors", "graph.json", "bounds.json", "plan.json",
        "verified.json", "report.md", "curves.png", "weights.png", "plan.png", "c/digits_fc.h", "c/digits_fc.c",
        "c/hb.h", "c/hb_level.h", "c/hb_round.h", *(f"c/{name}.c" for name in kernels),
    }  # fmt: skip


def test_verify_prints_one_json_object_with_every_layer(halfbyte, run_folder):
    code, out, _ = halfbyte("verify", run_folder, "--images", "all", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["images"] == 359
    assert report["mismatches"] == 0
    assert 50 < report["accuracy"] <= 100
    assert report["weight_bytes"] == 64 * 48 // 2 + 48 * 32 // 2 + 32 * 10 // 2
    assert [layer["op"] for layer in report["layers"]] == [
        "input_shift", *["linear", "maxshift"] * 2, "linear", "run", "argmax",
    ]  # fmt: skip
    assert {"name", "op", "format", "mismatches"} <= set(report["layers"][0])


def test_verify_exits_with_1_and_names_the_first_difference(halfbyte, run_folder):
    source = run_folder / "c" / "digits_fc.c"
    text = source.read_text()
    start = text.index("fc2_w[")
    byte = re.search(r"0x(..)", text[start:])
    at = start + byte.start(1)
    source.write_text(text[:at] + f"{int(byte[1], 16) ^ 1:02x}" + text[at + 2 :])
    code, out, err = halfbyte("verify", run_folder, "--json")
    assert code == 1
    assert json.loads(out)["mismatches"] > 0
    assert "first difference: fc2: sample" in err
    assert "channel 0" in err


def test_show_tells_what_a_run_is(halfbyte, run_folder):
    code, out, _ = halfbyte("show", run_folder, "--json")
    description = json.loads(out)
    assert code == 0
    assert description["weight_bytes"] == 2464
    assert description["verified"]["images"] == 359
    assert [layer["bits"] for layer in description["layers"] if layer["weights"]] == [4, 4, 4]
    assert "sym4" in halfbyte("show", run_folder)[1]


def test_recipes_lists_every_recipe(halfbyte):
    names = [row["recipe"] for row in json.loads(halfbyte("recipes", "--json")[1])]
    assert {"mnist-fc-12k", "digits-fc"} <= set(names)


def test_exporting_twice_changes_no_byte(halfbyte, run_folder):
    before = {path.name: path.read_bytes() for path in (run_folder / "c").iterdir()}
    assert halfbyte("export", run_folder)[0] == 0
    assert {path.name: path.read_bytes() for path in (run_folder / "c").iterdir()} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "digits"], "no recipe 'digits'; did you mean 'digits-fc'?"),
        (["train", "digits-fc", "--set", "train.epoch=5"], "unknown key 'train.epoch'; did you mean 'epochs'?"),
        (["train", "digits-fc", "--set", "train.epochs=many"], "train.epochs = 'many'"),
        (["train", "digits-fc", "--set", "train.epochs"], "expected key=value"),
        (["train", "digits-fc", "--set", "data=nothing.npz"], "nothing.npz"),
        (["run", "digits-fc", "--set", "model.norm=layer"], "fc1: norm 'layer' has no exact integer form"),
        (["run", "digits-fc", "--resume"], "holds no interrupted run"),
        (["run", "digits-fc", "--chip", "nosuch"], "no chip 'nosuch'"),
        (["verify", "nowhere"], "nowhere is not a folder"),
        (["verify", "."], "checkpoint.safetensors does not exist"),
        (["fly"], "No such command 'fly'"),
        (["verify"], "Missing argument"),
        (["results", "digits-fc", "--seeds", "one"], "--seeds one"),
    ],
)
def test_a_refused_input_is_one_line_and_exit_code_2_and_leaves_nothing(
    halfbyte, tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    code, out, err = halfbyte(*words)
    lines = [line for line in err.splitlines() if line.startswith("halfbyte: ")]
    assert code == 2
    assert out == ""
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_finished_run_is_not_overwritten(halfbyte, run_folder):
    code, _, err = halfbyte("train", "digits-fc", "--out", run_folder)
    assert code == 2
    assert "holds a finished run" in err


def test_what_was_exported_from_another_checkpoint_is_noticed(halfbyte, run_folder, tmp_path):
    other = tmp_path / "other"
    halfbyte("train", "digits-fc", "--seed", "2", "--set", "train.epochs=1", "--out", other)
    shutil.copyfile(other / "checkpoint.safetensors", run_folder / "checkpoint.safetensors")
    code, _, err = halfbyte("verify", run_folder)
    assert code == 2
    assert "is not of this checkpoint; export it again" in err


def test_a_damaged_checkpoint_is_one_line(halfbyte, run_folder):
    path = run_folder / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    code, _, err = halfbyte("export", run_folder)
    assert code == 2
    assert "checkpoint.safetensors" in err


def test_debug_shows_the_traceback(run_folder):
    (run_folder / "graph.json").unlink()
    command = [sys.executable, "-m", "halfbyte.cli", "--debug", "verify", str(run_folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" in result.stderr


def test_an_unexpected_error_is_called_a_bug(halfbyte, monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "train", lambda *_, **__: 1 / 0)
    code, _, err = halfbyte("train", "digits-fc", "--out", tmp_path / "run")
    assert code == 2
    assert "this is a bug of halfbyte: ZeroDivisionError" in err


def test_ctrl_c_is_130_and_the_run_resumes_to_the_same_bytes(finished, tmp_path):
    folder = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "halfbyte.cli",
        "run",
        "digits-fc",
        "--set",
        "train.epochs=2",
        "--out",
        str(folder),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"})
    deadline = time.monotonic() + 60
    while not (folder / "resume.safetensors").is_file() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("the run was over before Ctrl-C reached it")
    assert process.returncode == 130
    assert "stopped by Ctrl-C" in err
    assert "Traceback" not in err
    if (folder / "resume.safetensors").is_file():
        subprocess.run([*command, "--resume"], check=True, capture_output=True)
        name = "checkpoint.safetensors"
        assert (folder / name).read_bytes() == (finished / name).read_bytes()


def test_a_recipe_whose_name_c_cannot_hold_is_refused_before_training(halfbyte, tmp_path):
    recipe = tmp_path / "two words.toml"
    recipe.write_text('data = "digits"\n[train]\nepochs = 1\n')
    code, _, err = halfbyte("run", recipe, "--out", tmp_path / "run")
    assert code == 2
    assert "name 'two words' must be a C identifier" in err
    assert not (tmp_path / "run").exists()


def test_own_data_beside_the_recipe_is_found_from_anywhere(halfbyte, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "my.npz", x=rng.integers(0, 9, (60, 4), np.uint8), y=np.arange(60) % 2)
    (tmp_path / "mine.toml").write_text('data = "my.npz"\n[train]\nepochs = 1\nbatch = 16\n')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert halfbyte("run", tmp_path / "mine.toml", "--out", "run")[0] == 0
    monkeypatch.chdir(tmp_path)
    assert halfbyte("verify", "elsewhere/run")[0] == 0


def test_a_test_set_of_another_shape_is_refused_before_training(halfbyte, tmp_path):
    x, y = np.zeros((60, 4), np.uint8), np.arange(60) % 2
    np.savez(tmp_path / "my.npz", x=x, y=y, x_test=np.zeros((10, 5), np.uint8), y_test=np.arange(10) % 2)
    (tmp_path / "mine.toml").write_text('data = "my.npz"\n[train]\nepochs = 1\n')
    code, _, err = halfbyte("run", tmp_path / "mine.toml", "--out", tmp_path / "run")
    assert code == 2
    assert "x_test is uint8 (10, 5), but x is uint8 (60, 4)" in err


@pytest.mark.parametrize("text", ["[1]", "{}", '{"digest": "?"}', "no JSON"])
def test_a_spoiled_record_of_a_verification_is_no_record(halfbyte, run_folder, text):
    (run_folder / "verified.json").write_text(text)
    assert json.loads(halfbyte("show", run_folder, "--json")[1])["verified"] is None
    assert halfbyte("verify", run_folder)[0] == 0
    assert json.loads(halfbyte("show", run_folder, "--json")[1])["verified"]["images"] == 359


def test_c_that_changed_since_its_verification_is_not_called_verified(halfbyte, run_folder):
    kernel = run_folder / "c" / "hb_maxshift.c"
    kernel.write_text(kernel.read_text() + "// mine\n")
    assert json.loads(halfbyte("show", run_folder, "--json")[1])["verified"] is None


def test_tables_fit_80_columns_and_can_be_searched_in_a_pipe(run_folder):
    command = [sys.executable, "-m", "halfbyte.cli"]
    for words in (["recipes"], ["show", str(run_folder)]):
        text = subprocess.run([*command, *words], capture_output=True, text=True, check=True).stdout
        assert "mnist-fc-ternary" in text or "fc1.maxshift" in text
        narrow = subprocess.run(
            [*command, *words], capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "80"}
        ).stdout
        assert "\u2026" not in narrow


def test_a_recipe_with_batch_norm_is_not_refused_before_it_has_seen_a_batch(halfbyte, tmp_path):
    recipe = tmp_path / "maps.toml"
    recipe.write_text(
        'data = "digits"\n[model]\nlayers = [{ conv = 3, padding = 1 }, { global_average = true }]\n'
        "[train]\nepochs = 1\n"
    )
    code, _, said = halfbyte("run", recipe, "--chip", "ch32v003", "--out", tmp_path / "run")
    assert code == 0, said
