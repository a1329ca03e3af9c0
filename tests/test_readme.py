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
from typer.testing import CliRunner

from exporter.hostlib import STRICT, find_compiler
from exporter.results import markdown
from halfbyte.cli import app
from training.formats import FORMATS
from training.recipe import check_recipe, recipe_names
from training.requant import REQUANTS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The only fenced block of that language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return found


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


def test_the_lines_of_python_run():
    names: dict[str, object] = {}
    exec(compile(block("python"), "README.md", "exec"), names)
    exported = names["exported"]
    assert exported.predict(np.zeros((2, 8, 8), np.uint8)).shape == (2,)


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
    speed, verify, random = (record[name][0] for name in ("train", "verify", "random"))
    figures = [speed["images_per_second_median"], random["networks"], random["integers"]]
    for figure in [f"{figure:,}" for figure in figures] + [f"{verify['seconds']} s"]:
        assert figure in README
    assert [row["mismatches"] for row in record["formats"]] == [0] * len(FORMATS) * len(REQUANTS)
    assert verify["mismatches"] == random["mismatches"] == 0


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
