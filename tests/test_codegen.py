# SPDX-License-Identifier: Apache-2.0
"""The generated C: golden text, stable to the byte, clean under strict flags, and usable with what lies in c/ alone."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support import WERROR, compile_with, named, network

from exporter.bounds import find_bounds
from exporter.codegen import Provenance, generate, kernel_files
from exporter.export import Exported, export
from exporter.graph import Graph, Node
from exporter.ops import AddBias, InputShift, Linear, MulShift, Shift
from exporter.plan import make_plan
from exporter.verify import random_samples
from training.errors import HalfbyteError
from training.formats import FORMATS
from training.layers import BitLinear, Input

GOLDEN = Path(__file__).parent / "golden"
REWRITE = "HALFBYTE_REWRITE_GOLDEN"
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
HARD_NAMES = [
    "x",
    "scores",
    "arena",
    "max",
    "int",
    "int8_t",
    "size_t",
    "hb_maxshift",
    "FC",
    "fc",
    "fc_w",
    "fc_maxshift",
]
HARD_NAMES += ["1", "a b", "größe", "l1", "_bool", "n", "linux", 'q"*/', "back\\slash", "line\nbreak", "what??/"]


def tiny() -> Graph:
    """Every requantizer with constants and a bias, weights of three formats, by hand."""
    levels = np.asarray(FORMATS["sym4"].levels)
    ternary = np.asarray([[1, 0, -1, 1, 1, -1], [0, 0, 1, -1, 0, 1], [-1, -1, -1, 1, 0, 1]])
    ops = [
        InputShift("uint8", 0, 1, 0, 127),
        Linear("sym4", np.stack([levels[:5], levels[5:10], levels[11:], levels[::3][:5], levels[3:8], levels[8:13]])),
        Shift(4, -127, 127, np.asarray([0, 8, -8, 100, -(2**30), 7])),
        Linear("ternary", ternary),
        MulShift(0, 127, np.asarray([3000, -77, 0]), np.asarray([2048, 5, 127]), np.asarray([12, 2, 0])),
        Linear("int8", np.asarray([[127, -127, 1], [0, 5, -6]])),
        AddBias(np.asarray([1000, -1])),
    ]
    names = ["input", "fc1", "fc1.shift", "fc2", "fc2.mulshift", "out", "out.add_bias"]
    nodes = [Node(name, op, (before,)) for name, op, before in zip(names, ops, ["raw", *names[:-1]], strict=True)]
    return Graph("tiny", "uint8", (5,), tuple(nodes), ("no", "yes"))


def test_the_text_of_a_tiny_network_is_the_one_on_file():
    """To accept a change: HALFBYTE_REWRITE_GOLDEN=1 pytest tests/test_codegen.py, and read the diff."""
    graph = tiny()
    provenance = Provenance("halfbyte run tiny", 97.5, 200, 200)
    files = generate(graph, find_bounds(graph), make_plan(graph), provenance)
    texts = {name: text for name, text in files.items() if name.startswith("tiny.")}
    texts["graph.json"] = graph.to_json()
    if os.environ.get(REWRITE):
        GOLDEN.mkdir(exist_ok=True)
        for name, text in texts.items():
            (GOLDEN / name).write_text(text, encoding="utf-8")
    assert sorted(texts) == sorted(path.name for path in GOLDEN.iterdir())
    for name, text in texts.items():
        assert text == (GOLDEN / name).read_text(encoding="utf-8"), f"{name}: see {REWRITE}"


def full(out: Path, name: str = "net") -> Exported:
    """Every format and requantizer in one network; the same for every call."""
    torch.manual_seed(5)
    layers, width = [], 12
    for index, fmt in enumerate(FORMATS):
        kind = ("maxshift", "shift", "mulshift")[index % 3]
        layers.append(BitLinear(width, 13 + index, format=fmt, requant=kind, signed=index % 2 == 0))
        width = 13 + index
    rule = Input((4, 6), resize=(3, 4), shift=1)
    model = torch.nn.Sequential(rule, torch.nn.Flatten(), *layers, BitLinear(width, 4, requant=None))
    return export(model, name, out=out, labels=("zéro", "one */ two", "back\\", "tri??/"))


def texts_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_two_exports_are_equal_to_the_byte(tmp_path):
    full(tmp_path / "a")
    full(tmp_path / "b")
    assert texts_of(tmp_path / "a") == texts_of(tmp_path / "b")


def test_an_export_over_another_is_as_if_it_were_the_first(tmp_path):
    export(network(8, 5, 3, format="nf4"), "net", out=tmp_path / "a")
    assert (tmp_path / "a" / "c" / "hb_linear_nf4.c").is_file()
    export(network(8, 5, 3), "net", out=tmp_path / "a")
    export(network(8, 5, 3), "net", out=tmp_path / "b")
    assert texts_of(tmp_path / "a").keys() == texts_of(tmp_path / "b").keys()


def test_no_path_date_host_or_user_is_in_any_file(tmp_path):
    full(tmp_path)
    for name, content in texts_of(tmp_path).items():
        text = content.decode()
        assert str(tmp_path) not in text
        assert str(Path.cwd()) not in text
        assert socket.gethostname() not in text, name
        if Path(name).name not in kernel_files():  # copies, in which "root" is a square root
            assert getpass.getuser() not in re.findall(r"\w+", text), name
        assert not re.search(r"\b20\d\d-\d\d|\b\d\d:\d\d:\d\d", text), name


def test_the_folder_holds_the_model_its_kernels_and_their_headers_and_no_more(tmp_path):
    export(network(8, 5, 3), "net", out=tmp_path)
    kernels = ["hb_argmax.c", "hb_input_shift_u8.c", "hb_linear_sym4.c", "hb_maxshift.c"]
    headers = ["hb.h", "hb_level.h", "hb_round.h"]
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == sorted([*kernels, *headers, "net.c", "net.h"])


def test_there_is_no_allocation_floating_point_or_input_output_in_it(tmp_path):
    full(tmp_path)
    for path in (tmp_path / "c").iterdir():
        code = re.sub(r"//.*", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"\b(malloc|free|float|double|printf)\b", code), path.name
        assert set(re.findall(r"#include <(.*?)>", code)) <= {"stdint.h", "stddef.h"}, path.name
        assert code.isascii(), path.name


def build(folder: Path, compiler: str, *flags: str) -> subprocess.CompletedProcess[str]:
    objects = folder / "objects"
    objects.mkdir(exist_ok=True)
    sources = [str(path.resolve()) for path in sorted((folder / "c").glob("*.c"))]
    command = [compiler, *WERROR, *flags, "-c", *sources]
    return subprocess.run(command, cwd=objects, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_it_compiles_without_a_warning(compiler, level, tmp_path):
    if compiler not in COMPILERS:
        pytest.skip(f"no {compiler} on this machine: the generated C is not compiled with it")
    full(tmp_path)
    result = build(tmp_path, compiler, level)
    assert result.returncode == 0, result.stderr[:2000]


def test_the_header_can_be_included_from_cpp(tmp_path):
    compiler = shutil.which("g++") or pytest.skip("no g++ on this machine: the header is not compiled as C++")
    full(tmp_path)
    (tmp_path / "c" / "use.cpp").write_text('#include "net.h"\n#include "net.h"\nint main() { return 0; }\n')
    command = [compiler, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", str(tmp_path / "c" / "use.cpp")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[:2000]


def test_modules_may_have_any_name(tmp_path):
    layers = {name: BitLinear(4, 4) for name in HARD_NAMES}
    exported = export(named(input=Input((4,)), **layers, last=BitLinear(4, 3, requant=None)), "net", out=tmp_path)
    compile_with(exported, "-O0", "-Werror")
    assert exported.verify(random_samples(exported.graph, 20)).mismatches == 0
    for compiler in COMPILERS:
        result = build(tmp_path, compiler, "-O0")
        assert result.returncode == 0, result.stderr[:2000]


@pytest.mark.parametrize("name", ["host", "level", "argmax", "int8_t", "N", "mnist-fc-12k", "a" * 60])
def test_models_may_have_any_name_that_c_can_hold(name, tmp_path):
    exported = export(network(8, 5, 3), name, out=tmp_path)
    compile_with(exported, "-O0", "-Werror")
    assert exported.verify(random_samples(exported.graph, 9)).mismatches == 0


def test_a_network_of_a_single_layer_uses_no_arena(tmp_path):
    exported = export(named(input=Input((8,)), fc=BitLinear(8, 3, requant=None)), "net", out=tmp_path)
    compile_with(exported, "-O0", "-Werror")
    assert exported.verify(random_samples(exported.graph, 20)).mismatches == 0
    assert build(tmp_path, COMPILERS[0]).returncode == 0


def test_labels_and_commands_cannot_leave_their_comment(tmp_path):
    hostile = "a\n#error b\r\n*/ int c; ??/", "\x00\x1b[31m\u2028", "end\\"
    provenance = Provenance("halfbyte run x\n#error d\\")
    export(network(8, 5, 3), "net", out=tmp_path, labels=hostile, provenance=provenance)
    for compiler in COMPILERS:
        result = build(tmp_path, compiler)
        assert result.returncode == 0, result.stderr[:2000]


def test_another_spec_version_or_a_sum_beyond_32_bits_does_not_compile(tmp_path):
    export(network(8, 5, 3), "net", out=tmp_path)
    header, source = tmp_path / "c" / "hb.h", tmp_path / "c" / "net.c"
    right = header.read_text()
    header.write_text(right.replace("#define HB_SPEC_VERSION 1", "#define HB_SPEC_VERSION 2"))
    assert "net was made for spec version 1: export it again" in build(tmp_path, COMPILERS[0]).stderr
    header.write_text(right)
    source.write_text(re.sub(r"#define PEAK_FC2 \d+", "#define PEAK_FC2 2147483648", source.read_text()))
    assert "layer fc2 can overflow" in build(tmp_path, COMPILERS[0]).stderr


USAGE = """
#include "net.h"
#include <stdio.h>

int main(void)
{
    static const uint8_t image[HB_NET_RAW_SIZE] = {IMAGE};
    static int32_t arena[HB_NET_ARENA_BYTES / 4];
    int8_t x[HB_NET_INPUT_SIZE];
    int32_t scores[HB_NET_SCORES];
    hb_net_input(x, image);
    hb_net_run(scores, x, arena);
    for (int i = 0; i < HB_NET_SCORES; i++) {
        printf("%ld ", (long)scores[i]);
    }
    printf("%d %s\\n", (int)hb_argmax(scores, HB_NET_SCORES), HB_NET_DIGEST);
    return 0;
}
"""


def test_the_ten_lines_of_usage_give_the_scores_with_nothing_but_the_files_in_c(tmp_path):
    exported = full(tmp_path)
    image = random_samples(exported.graph, 9)[3]
    program = tmp_path / "main.c"
    program.write_text(USAGE.replace("IMAGE", ", ".join(map(str, image.ravel().tolist()))))
    sources = [str(path) for path in (tmp_path / "c").glob("*.c")]
    command = [COMPILERS[0], *WERROR, f"-I{tmp_path / 'c'}", "-o", str(tmp_path / "main"), str(program), *sources]
    subprocess.run(command, check=True)
    printed = subprocess.run([str(tmp_path / "main")], capture_output=True, text=True, check=True).stdout.split()
    assert [int(v) for v in printed[:4]] == exported.scores(image[None])[0].tolist()
    assert [int(printed[4])] == exported.predict(image[None]).tolist()
    assert printed[5] == exported.graph.digest


def test_without_a_compiler_or_with_a_broken_one_the_error_says_what_to_install(tmp_path, monkeypatch):
    exported = export(network(8, 5, 3), "net", out=tmp_path)
    monkeypatch.setenv("CC", "/nowhere/cc")
    with pytest.raises(HalfbyteError, match="cannot run the C compiler '/nowhere/cc'"):
        exported.library  # noqa: B018 (compiled at first use)
    monkeypatch.setenv("CC", f"{sys.executable} -c 1/0")
    with pytest.raises(HalfbyteError, match="does not compile: "):
        exported.library  # noqa: B018
    monkeypatch.delenv("CC")
    (tmp_path / "c" / "net.c").write_text("int broken")
    with pytest.raises(HalfbyteError, match=r"the C in .* does not compile: .*error"):
        exported.library  # noqa: B018


def test_samples_of_another_shape_or_type_are_refused():
    exported = export(network(8, 5, 3), "net")
    with pytest.raises(HalfbyteError, match=r"net takes samples of shape \(8,\), got \(9,\)"):
        exported.predict(np.zeros((2, 9), np.uint8))
    with pytest.raises(HalfbyteError, match="net takes uint8 samples, got int64"):
        exported.predict(np.zeros((2, 8), np.int64))
    assert exported.scores(np.zeros((0, 8), np.uint8)).shape == (0, 3)


def test_the_temporary_folder_of_an_export_goes_with_it():
    exported = export(network(8, 5, 3), "net")
    folder = exported.folder
    assert (folder / "graph.json").is_file()
    del exported
    assert not folder.exists()
