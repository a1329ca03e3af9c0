# SPDX-License-Identifier: Apache-2.0
"""What `halfbyte.export` writes of a module, by command: no recipe, no checkpoint, no test images."""

from __future__ import annotations

import json
import re

import pytest
from support import needs_emulator
from torch import nn

from exporter.chips.chip import load_chip
from exporter.chips.image import build, load_samples
from exporter.export import export
from training.layers import BitLinear, Input, RMSNorm


@pytest.fixture
def folder(tmp_path):
    layers = Input((4, 4)), nn.Flatten(), BitLinear(16, 12), RMSNorm(), BitLinear(12, 5, requant=None)
    return export(nn.Sequential(*layers).eval(), "net", out=tmp_path / "net").folder


def test_show_tells_what_there_is(halfbyte, folder):
    code, out, err = halfbyte("show", folder, "--json")
    assert code == 0, err
    description = json.loads(out)
    assert (description["name"], description["weight_bytes"]) == ("net", 16 * 12 // 2 + 12 * 5 // 2)
    assert {description[key] for key in ("about", "data", "command", "epoch", "verified")} == {None}
    out = halfbyte("show", folder)[1]
    assert "without a recipe and a checkpoint" in out
    assert "memory plan" in out
    assert "None" not in out + (folder / "report.md").read_text()


def test_an_image_is_built_and_emulated_with_random_samples_and_says_so(halfbyte, folder):
    pytest.importorskip("ziglang", reason="the cross compiler is not installed")
    needs_emulator(load_chip("ch32v003"))
    for words in (("build",), ("flash", "--dry-run"), ("emulate", "--images", "3")):
        code, out, err = halfbyte(words[0], folder, "--chip", "ch32v003", *words[1:])
        assert code == 0, err
        assert err == f"note: random samples: {folder} has no recipe\n"
    assert re.search(r"^ 3 +rmsnorm +- +- +0 +[\d,]{3,} ", out, re.MULTILINE)  # what it takes
    assert "net on ch32v003 (zig -Os): 3 random samples, 0 integers differ" in out
    table = folder / "table.md"
    code, _, err = halfbyte("emulate", folder, "--chip", "ch32v003", "--images", "2", "--table", table)
    assert code == 0, err
    assert ", 2 random samples\n" in table.read_text()


def test_random_samples_are_the_same_every_time(folder):
    pytest.importorskip("ziglang", reason="the cross compiler is not installed")
    assert (load_samples(folder, 5) == load_samples(folder, 5)).all()
    assert build(folder, load_chip("host"), load_samples(folder, 2)).sizes.samples > 0


@pytest.mark.parametrize("variant", ["portable", "nomul"])
def test_verify_compares_the_c_with_numpy_and_says_that_pytorch_is_not_there(halfbyte, folder, variant):
    code, out, err = halfbyte("verify", folder, "--variant", variant)
    assert code == 0, err
    assert "net: 256 random samples, 0 integers differ between C and NumPy; PyTorch is not compared" in out
    assert not (folder / "verified.json").exists()
    record = json.loads(halfbyte("verify", folder, "--random", "9", "--json")[1])
    assert (record["images"], record["random"], record["accuracy"]) == (0, 9, None)


def test_verify_finds_a_flipped_weight(halfbyte, folder):
    source = folder / "c" / "net.c"
    text = source.read_text()
    at = text.index("0x", text.index("l4_w[")) + 3
    source.write_text(text[:at] + f"{int(text[at], 16) ^ 1:x}" + text[at + 1 :])
    code, _, err = halfbyte("verify", folder)
    assert code == 1
    assert "first difference: 4: sample" in err


def test_what_needs_a_run_says_so_in_one_line(halfbyte, folder):
    for words, says in (
        (("verify", folder, "--images", "3"), "has no recipe, so no test images: leave out --images"),
        (("verify", folder, "--random", "0"), "give --random 1 or more"),
        (("export", folder), "was exported from Python, without a checkpoint"),
    ):
        code, out, err = halfbyte(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert says in err
    (folder / "c" / "net.h").unlink()
    for words in (("emulate", folder, "--chip", "ch32v003"), ("verify", folder)):
        code, _, err = halfbyte(*words)
        assert (code, err.count("\n")) == (2, 1)
