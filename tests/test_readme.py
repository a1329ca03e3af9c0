# SPDX-License-Identifier: Apache-2.0
"""README says nothing that does not run."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
from support import HOSTED, needs_emulator
from typer.testing import CliRunner

from exporter.chips.chip import chip_rows, load_chip
from exporter.chips.emulate import emulate
from exporter.chips.image import test_images as images_of
from exporter.export import export
from exporter.hostlib import STRICT, find_compiler
from exporter.results import markdown
from halfbyte.cli import app
from training.errors import HalfbyteError
from training.formats import FORMATS
from training.recipe import check_recipe, recipe_names
from training.requant import REQUANTS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, index: int = 0) -> str:
    """A fenced block of that language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[index]


def test_the_lines_of_c_compile_and_classify_with_nothing_but_the_files_of_the_shipped_model(tmp_path):
    sources = ROOT / "models" / "mnist-fc-12k" / "c"
    main = tmp_path / "main.c"
    main.write_text("int classify(const uint8_t image[28 * 28]);\n" + block("c") + "int main(void)\n{\n"
                    "    static uint8_t image[28 * 28];\n    return classify(image) < 10 ? 42 : 1;\n}\n")  # fmt: skip
    text = main.read_text()
    main.write_text("#include <stdint.h>\n" + text)
    program = tmp_path / "main"
    kernels = [str(path) for path in sorted(sources.glob("*.c"))]
    command = [*find_compiler(), *STRICT, "-Werror", f"-I{sources}", str(main), *kernels, "-o", str(program)]
    subprocess.run(command, check=True)
    assert subprocess.run([str(program)], check=False).returncode == 42


def test_the_lines_of_python_run_and_what_they_export_is_emulated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(block("python"), "README.md", "exec"), names)
    exported = names["exported"]
    assert exported.predict(np.zeros((2, 8, 8), np.uint8)).shape == (2,)
    needs_emulator(load_chip("ch32v003"))
    lines = re.findall(r"^ {4}halfbyte (.* runs/digits\b[^#\n]*)", README, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["show", "emulate"]
    for line in lines:
        found = CliRunner().invoke(app, line.split())
        assert (found.exit_code, "digits" in found.output) == (0, True)
    assert "100 random samples, 0 integers differ" in found.output


def test_the_network_with_a_branch_runs_and_takes_its_image_row_by_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(block("python") + block("python", 1), "README.md", "exec"), names)
    exported = export(names["net"], "net", out=tmp_path)
    assert exported.plan.input_rows > 0
    main = tmp_path / "main.c"
    main.write_text('#include "net.h"\n#include <stdio.h>\nstatic uint8_t row[28];\n'
                    "static uint8_t *camera_row(int y)\n{\n    row[y] = 200;\n    return row;\n}\nint main(void)\n{\n"
                    "    static int32_t arena[HB_NET_PUSH_BYTES / 4 + 1];\n    int32_t scores[HB_NET_SCORES];\n"
                    + block("c", 1) + '    printf("%d\\n", (int)scores[9]);\n    return 0;\n}\n')  # fmt: skip
    program, sources = tmp_path / "main", map(str, (tmp_path / "c").glob("*.c"))
    command = [*find_compiler(), *STRICT, "-Werror", f"-I{tmp_path / 'c'}", str(main), *sources, "-o", str(program)]
    subprocess.run(command, check=True)
    found = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    image = np.tri(28, dtype=np.uint8)[None] * 200
    assert int(found) == exported.scores(image)[0, 9]


@pytest.mark.parametrize("name", ["ch32v003", "atmega328p"])
def test_the_figures_of_mnist_fc_12k_on_a_chip_are_those_of_its_image(name):
    chip, folder = load_chip(name), ROOT / "models" / "mnist-fc-12k"
    needs_emulator(chip)
    try:
        images = images_of(folder, 10)
    except HalfbyteError as error:
        pytest.skip(str(error))
    found = emulate(folder, chip, images)
    rom, ram = chip.memory_of("code").size, chip.memory_of("data").size
    source = " by the model of its core" if chip.cycles else ", counted by simavr"
    assert (
        f"| {name} | {found.flash:,} of {rom:,} | {found.ram + found.stack_bound:,} of {ram:,} | "
        f"{found.instructions / 1e6:.2f} million | {1000 * found.cycles / chip.clock_hz:.0f} ms{source} |"
    ) in README


def test_the_table_of_chips_is_that_of_their_descriptions():
    for row in chip_rows():
        size = "2 M" if row["flash"] == 2 << 20 else "1 M" if row["flash"] == 1 << 20 else f"{row['flash'] // 1024} K"
        ram = f"{row['ram'] // 1024} K"
        (line,) = re.findall(rf"^\| {row['chip']} \| .*\|$", README.partition("| chip | core |")[2], re.MULTILINE)
        shown = [cell.strip() for cell in line.split("|")[3:5]]
        assert shown in ([size, ram], ["-", ram], ["-", "-"])
        assert (shown == ["-", "-"]) == (row["chip"] in HOSTED)


def test_the_recipe_is_valid():
    recipe = check_recipe({"name": "mine", **tomllib.loads(block("toml"))}, "README.md")
    assert [layer.linear for layer in recipe.model.layers] == [32, 16]


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"^ {4}halfbyte ([a-z]+(?: [a-z]+)?)", README, re.MULTILINE))))
def test_every_verb_exists(verb):
    words = [word for word in verb.split() if not word.startswith("mnist")]
    words = words if words[0] == "bench" else words[:1]
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


def test_the_figures_under_measure_are_those_on_record():
    record = json.loads((ROOT / "models" / "benchmarks.json").read_text(encoding="utf-8"))
    (verify,) = record["verify"]
    random = [*record["random"], *record.get("random_maps", [])]
    figures = [speed["images_per_second_median"] for speed in record["train"]]
    figures += [row[key] for row in random for key in ("networks", "integers")]
    for figure in [f"{figure:,}" for figure in figures] + [f"{verify['seconds']} s"]:
        assert figure in README
    assert [row["mismatches"] for row in record["formats"]] == [0] * len(FORMATS) * len(REQUANTS)
    assert [row["mismatches"] for row in (verify, *random)] == [0] * (1 + len(random))


def test_the_results_table_is_the_one_on_record():
    rows = json.loads((ROOT / "models" / "results.json").read_text(encoding="utf-8"))
    assert markdown(rows) in README
    for row in rows:
        assert row["mismatches"] == 0
        assert len(row["seeds"]) >= 3


def test_every_recipe_it_names_ships():
    named = set(re.findall(r"\b(?:mnist-fc|digits)-[a-z0-9]+\b", README))
    assert named <= set(recipe_names())


def test_the_tree_it_describes_is_there():
    for folder in re.findall(r"`([a-z]+)/`", README):
        assert folder == "c" or (ROOT / folder).is_dir(), folder


def test_every_package_is_named_in_pyproject():
    named = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    inits = [path for top in ("halfbyte", "training", "exporter") for path in (ROOT / top).rglob("__init__.py")]
    assert sorted(named) == sorted(".".join(path.parent.relative_to(ROOT).parts) for path in inits)
