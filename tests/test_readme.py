# SPDX-License-Identifier: Apache-2.0
"""README says nothing that does not run."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from exporter.hostlib import STRICT, find_compiler
from halfbyte.cli import app
from training.recipe import check_recipe, recipe_names

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


def test_every_recipe_it_names_ships():
    named = set(re.findall(r"\b(?:mnist-fc|digits)-[a-z0-9]+\b", README))
    assert named <= set(recipe_names())


def test_the_tree_it_describes_is_there():
    for folder in re.findall(r"`([a-z]+)/`", README):
        assert folder == "c" or (ROOT / folder).is_dir(), folder
