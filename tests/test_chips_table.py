# SPDX-License-Identifier: Apache-2.0
"""docs/chips-table.md is what `halfbyte bench chips` writes, for every chip and every way to build."""

from __future__ import annotations

import re

import pytest
from support import ROOT, needs_emulator

from exporter.chips import table
from exporter.chips.chip import chip_names, load_chip
from exporter.chips.image import Options
from exporter.chips.toolchain import COMPILE, TOOLCHAINS
from exporter.graph import load_graph
from training.formats import FORMATS

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
PAGE = (ROOT / "docs" / "chips-table.md").read_text(encoding="utf-8")


def rows(page: str, title: str) -> list[list[str]]:
    """The cells of a section's table, head and rule left out."""
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("title", ["Every weight format", "mnist-fc-12k"])
def test_every_chip_was_run_in_every_way_with_100_images_and_no_integer_differs(title):
    ways = {(name, kind) for name in chip_names() for kind in TOOLCHAINS if kind == "zig" or load_chip(name).gcc}
    found = rows(PAGE, title)
    assert {(name, built) for name, built, *_ in found} == {(n, f"{k} -O{o}") for n, k in ways for o in COMPILE}
    assert {(images, differ) for _, _, images, differ, *_ in found} == {("100", "0")}


def test_every_model_that_ships_ran_or_did_not_fit():
    for name, *cells in rows(PAGE, "The models that ship"):
        assert (ROOT / "models" / name).is_dir()
        assert all(re.fullmatch(r"[0-9,]+|-|does not fit", cell) for cell in cells)


def test_the_page_is_made_of_what_ran(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "chip_names", lambda: ["stm32g030", "wasm32"])
    monkeypatch.setattr(table, "EPOCHS", 1)
    monkeypatch.setattr(table, "COMPILE", ["s"])
    monkeypatch.setattr(table, "TOOLCHAINS", ["zig"])
    for name in ("stm32g030", "wasm32"):
        needs_emulator(load_chip(name))
    table.train_every_format(tmp_path)
    assert set(FORMATS) <= {node.op.format_name() for node in load_graph(tmp_path).nodes}
    jobs = [job for job in table.jobs(tmp_path, []) if job[3] == Options()]
    found = [{**row, "network": table.HEADLINE} for row in table.run_all(tmp_path, [], 2)]
    assert len(jobs) == len(found) == 2
    page = table.markdown([*found, *({**row, "network": table.EVERY} for row in found)])
    assert "4 images of\nfirmware, 0 integers differ" in page
    assert [row[:4] for row in rows(page, "Every weight format")] == [
        [n, "zig -Os", "2", "0"] for n in ("stm32g030", "wasm32")
    ]
    ((name, _, *costs),) = rows(page, "Instructions for a weight")
    assert name == "stm32g030"
    assert all(1 < float(cost) < 50 for cost in costs)
    wrong = [{**row, "mismatches": 3} for row in found]
    assert "4 images of\nfirmware, 6 integers differ" in table.markdown(
        [*wrong, *({**row, "network": table.EVERY} for row in found)]
    )
