# SPDX-License-Identifier: Apache-2.0
"""Before training and after building: what fits, and how it gets onto a board."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from support import BARE, one_line

from exporter.chips import emulate as emulator
from exporter.chips import flash
from exporter.chips.chip import load_chip
from exporter.chips.fit import _candidates, fit
from exporter.chips.image import Image, Options, build, link_image, overflow
from exporter.chips.image import test_images as images_of
from exporter.chips.plots import MOST, _most, plot_instructions
from exporter.chips.untrained import export_untrained as untrained_c
from exporter.export import export
from exporter.runs import export_run
from halfbyte import cli
from training import data, loop, models
from training.errors import HalfbyteError
from training.recipe import check_recipe, load_recipe

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
pytest.importorskip("unicorn", reason="the emulator is not installed")


@pytest.fixture
def halfbyte(monkeypatch, capsys):
    """The command line in this process: words -> exit code, standard output, standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["halfbyte", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    loop.train(load_recipe("digits-fc", ["train.epochs=1"]), folder, command="halfbyte run digits-fc")
    export_run(folder)
    return folder


def untrained(recipe, folder: Path, chip, options: Options) -> Image:
    train = data.load_train(recipe.data)
    model = models.build(recipe, train.x.shape[1:], str(train.x.dtype), len(train.labels))
    model.train()(torch.as_tensor(train.x[:64]))  # statistics
    export(model.eval(), recipe.name, out=folder)
    return link_image(folder, chip, train.x[:1], options)


LAYERS = '{conv=7,padding=1,format="int8"},{conv=16,stride=2,padding=1},{maxpool=2},{conv=9,kernel=2,format="sym5"}'
CNN = f"model.layers=[{LAYERS}]"

REQUANTIZERS = {
    "maxshift": ["model.layers=[{linear=24},{linear=16}]"],
    "shift": [
        "model.layers=[{linear=24},{linear=24}]",
        'model.requant="shift"',
        'model.norm="none"',
        "model.bias=true",
    ],
    "mulshift": [
        'model.layers=[{linear=24,norm="batch",scale="channel"},{linear=24,norm="none"}]',
        'model.requant="mulshift"',
        "model.bias=true",
    ],
}


@pytest.mark.parametrize("requant", REQUANTIZERS)
def test_an_image_takes_the_same_bytes_before_and_after_training(requant, tmp_path):
    sets = REQUANTIZERS[requant]
    loop.train(load_recipe("digits-fc", ["train.epochs=1", *sets]), tmp_path, command="halfbyte run digits-fc")
    kinds = {node.op.kind for node in export_run(tmp_path).graph.nodes}
    assert requant in kinds
    assert ("add_bias" in kinds) == (requant != "maxshift")
    # clang at -O2 makes code of every constant it can see, and the sizes of such code differ
    for name, way in (("ch32v003", "s"), ("stm32g030", "2")):
        chip, options = load_chip(name), Options(compile=way)
        before = untrained(load_recipe("digits-fc", sets), tmp_path / "untrained", chip, options)
        assert before.sizes == build(tmp_path, chip, images_of(tmp_path, 1), options).sizes


def test_a_convolutional_image_takes_about_the_same_bytes_before_and_after_training(tmp_path):
    sets = ["train.epochs=1", CNN, 'model.requant="mulshift"', 'model.norm="batch"', 'model.scale="channel"']
    recipe, chip = load_recipe("digits-fc", sets), load_chip("ch32v003")
    loop.train(recipe, tmp_path, command="halfbyte run digits-fc")
    export_run(tmp_path)
    untrained_c(recipe, tmp_path / "untrained")
    one = images_of(tmp_path, 1)
    before = link_image(tmp_path / "untrained", chip, one, Options())
    after = build(tmp_path, chip, one, Options()).sizes
    assert (before.sizes.ram, before.sizes.weights) == (after.ram, after.weights)
    # clang makes code of a table of shifts that are all alike, as it happens to few channels
    assert abs(before.sizes.flash - after.flash) <= 64
    assert abs(before.sizes.stack - after.stack) <= 16


@pytest.fixture(scope="module")
def found():
    return fit(load_recipe("digits-fc"), load_chip("ch32v003"), Options())


def test_what_fit_says_before_training_is_what_the_trained_image_takes(found, trained):
    assert found.fits
    assert found.sizes == build(trained, load_chip("ch32v003"), images_of(trained, 1), Options()).sizes


def test_fit_counts_at_the_densities_it_states(found):
    assert [cost.asked for cost in found.densities] == [1.0, 0.5, 0.3]
    for cost in (*found.densities, found.worst):
        assert cost.density == pytest.approx(cost.asked, abs=0.05)
    dense, half, third = (cost.instructions for cost in found.densities)
    assert dense > half > third  # a product with 0 is short on a core without a multiplier
    assert found.worst.instructions >= dense  # portable kernels take longest for outermost levels
    assert found.worst.cycles >= max(cost.cycles for cost in found.densities)


def test_milliseconds_are_cycles_at_the_clock_of_the_chip(found):
    assert found.typical.ms == pytest.approx(found.typical.cycles / 48_000, abs=0.001)
    layers = [layer for layer in found.layers if not layer.name.startswith("input")]
    total = sum(layer.instructions for layer in layers)
    assert total - found.typical.instructions in range(-len(layers), 1)  # each is rounded down
    assert found.input_instructions > 0
    assert sum(layer.bytes for layer in found.layers) == found.sizes.weights


def test_the_estimate_before_training_is_near_the_trained_network(found, trained):
    report = emulator.emulate(trained, load_chip("ch32v003"), images_of(trained, 3), Options())
    assert found.typical.instructions == pytest.approx(report.instructions, rel=0.15)


def test_fit_prints_what_it_found(found, halfbyte, monkeypatch):
    monkeypatch.setattr("exporter.chips.fit.fit", lambda *_: found)
    code, out, err = halfbyte("fit", "digits-fc", "--chip", "ch32v003", "--json")
    assert code == 0, err
    assert set(json.loads(out)) >= {
        "chip", "recipe", "fits", "over", "flash", "ram", "stack", "weights", "samples", "layers", "change", "typical",
        "worst", "densities", "input_instructions",
    }  # fmt: skip
    _, out, _ = halfbyte("fit", "digits-fc", "--chip", "ch32v003")
    assert f"flash {found.sizes.flash:,} of 16,384 bytes" in out
    assert f"{found.worst.instructions:,}" in out
    assert out.splitlines()[-1] == "digits-fc fits ch32v003"


def test_emulate_draws_its_counts_beside_the_image_unless_it_prints_json(trained, halfbyte):
    picture = trained / "firmware" / "ch32v003" / "instructions.png"
    halfbyte("emulate", str(trained), "--chip", "ch32v003", "--images", "1", "--json")
    assert not picture.exists()
    code, out, err = halfbyte("emulate", str(trained), "--chip", "ch32v003", "--images", "1")
    assert code == 0, err
    assert out.splitlines()[-1] == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_run_that_cannot_be_written_is_emulated_all_the_same(trained, halfbyte, monkeypatch):
    def refused(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("exporter.chips.plots.plot_instructions", refused)
    code, out, err = halfbyte("emulate", str(trained), "--chip", "ch32v003", "--images", "1")
    assert (code, "1 images, 0 integers differ" in out) == (0, True)
    assert err.splitlines()[-1].startswith("note: no picture: ")


def test_a_run_for_a_chip_that_is_too_small_is_refused_before_it_trains(tmp_path, halfbyte):
    words = ("--set", "model.layers=[{linear=180},{linear=180}]", "--out", str(tmp_path / "run"), "--chip", "ch32v003")
    code, out, err = halfbyte("run", "digits-fc", *words)
    assert (code, out) == (2, "")
    assert "does not fit ch32v003: flash needs" in err
    assert not (tmp_path / "run").exists()


def test_stored_samples_that_are_too_many_come_with_the_number_that_fits(trained):
    chip, recipe = load_chip("ch32v003"), load_recipe("digits-fc")
    change = fit(recipe, chip, Options(samples=300)).change
    fits = int(change.removeprefix("--samples "))
    assert fit(recipe, chip, Options(samples=fits + 1)).change == change
    with pytest.raises(HalfbyteError, match=f"it fits with {change}$"):
        build(trained, chip, images_of(trained, fits + 1), Options(samples=fits + 1))
    assert build(trained, chip, images_of(trained, fits), Options(samples=fits)).sizes.samples == fits * 68


def test_without_matplotlib_there_is_no_picture(monkeypatch, tmp_path):
    monkeypatch.setattr("exporter.chips.plots.find_spec", lambda _: None)
    report = SimpleNamespace(functions={"hb_linear_sym4": 1})
    assert not plot_instructions(report, tmp_path / "instructions.png")
    assert not list(tmp_path.iterdir())


def test_the_bars_that_are_too_many_are_added_up_in_one():
    bars = [(f"fc{n}", 10 + n) for n in range(MOST + 10)]
    drawn = _most(bars)
    assert len(drawn) == MOST
    assert drawn[-1] == ("11 others", sum(10 + n for n in range(11)))
    assert drawn[:-1] == bars[11:]


def overflow_with(folder: Path, *formats: str) -> dict[str, int]:
    """Bytes too many on a CH32V003 of three hidden layers and the last one in these formats."""
    *hidden, last = formats
    layers = ", ".join(f'{{linear={n}, format="{f}"}}' for n, f in zip((128, 88, 40), hidden, strict=True))
    recipe = load_recipe("digits-fc", [f"model.layers=[{layers}]", f'model.last.format="{last}"'])
    return overflow(untrained(recipe, folder, load_chip("ch32v003"), Options(codec="plain")))


def test_a_network_that_does_not_fit_comes_with_the_smallest_change_that_makes_it_fit(tmp_path):
    layers = '[{linear=128,format="sym4"},{linear=88,format="int8"},{linear=40,format="sym5"}]'
    recipe = load_recipe("digits-fc", [f"model.layers={layers}"])
    found = fit(recipe, load_chip("ch32v003"), Options(codec="plain"))
    assert not found.fits
    assert found.over == {"flash": found.sizes.flash - 16384}
    assert found.typical is found.worst is None
    assert found.change.startswith("fc2 int8 -> sym5 saves 4,")
    assert overflow_with(tmp_path / "now", "sym4", "int8", "sym5", "sym4") == found.over
    assert overflow_with(tmp_path / "changed", "sym4", "sym5", "sym5", "sym4") == {}
    assert overflow_with(tmp_path / "less", "binary", "int8", "sym5", "sym4")  # the change that saves the next less


def test_data_that_does_not_fit_is_not_for_formats_to_mend(monkeypatch):
    monkeypatch.setattr("exporter.chips.fit._candidates", lambda *_: pytest.fail("no format changes RAM"))
    chip = load_chip("ch32v003")
    memory = tuple(m.model_copy(update={"size": 256 if m.kind == "ram" else m.size}) for m in chip.memory)
    found = fit(load_recipe("digits-fc"), chip.model_copy(update={"memory": memory}), Options())
    assert set(found.over) == {"ram"}
    assert found.change is None


@pytest.fixture(scope="module")
def convolutional():
    sets = [CNN, 'model.requant="mulshift"', 'model.norm="batch"']
    return fit(load_recipe("digits-fc", sets), load_chip("ch32v003"), Options())


def test_a_convolutional_network_is_counted_by_stage_at_the_densities_it_states(convolutional):
    assert convolutional.fits
    for cost in (*convolutional.densities[:1], convolutional.worst):
        assert cost.density == pytest.approx(1, abs=0.05)
    dense, half, third = (cost.density for cost in convolutional.densities)
    assert dense > half > third > 0
    counted = [layer.name for layer in convolutional.layers if layer.instructions is not None]
    assert counted == ["input", "conv1", "conv2", "pool1", "conv3", "fc1"]
    assert sum(layer.bytes for layer in convolutional.layers) == convolutional.sizes.weights


def test_the_parts_of_the_ram_that_is_needed_add_up_and_name_what_is_in_use_at_the_peak(convolutional):
    sizes = convolutional.sizes
    assert sum(convolutional.peak.values()) == convolutional.least_ram == sizes.ram + sizes.stack
    assert {"input", "stack", "app", "conv1.mulshift"} <= convolutional.peak.keys()
    assert min(convolutional.peak.values()) >= 0


def test_a_change_of_a_convolution_saves_what_its_packed_rows_take_less(tmp_path):
    recipe = load_recipe("digits-fc", [CNN, 'model.requant="mulshift"', 'model.norm="batch"'])
    before = untrained_c(recipe, tmp_path / "now").graph
    found = {text: (saved, changed) for saved, _, text, changed in _candidates(recipe, SimpleNamespace(graph=before))}
    for text in ("conv1 int8 -> sym4", "conv2 sym4 -> sym2", "conv3 sym5 -> sym4", "fc1 sym4 -> binary"):
        saved, changed = found[text]
        after = untrained_c(check_recipe(changed, "digits-fc"), tmp_path / text.split()[0]).graph
        assert before.weight_bytes - after.weight_bytes == saved > 0


def test_ram_that_is_too_small_is_said_with_what_is_in_it(monkeypatch, halfbyte, convolutional):
    short = dataclasses.replace(convolutional, fits=False, over={"ram": 10})
    monkeypatch.setattr("exporter.chips.fit.fit", lambda *_: short)
    code, out, _ = halfbyte("fit", "digits-fc", "--chip", "ch32v003")
    assert code == 1
    assert f"the smallest RAM that works is {short.least_ram:,} bytes: " in out.splitlines()[-1]
    assert f"stack {short.sizes.stack:,}" in out.splitlines()[-1]


@pytest.mark.parametrize("name", BARE)
def test_the_flashing_command_of_every_chip_names_a_file_that_was_written(name):
    chip = load_chip(name)
    ends = ["bin", "hex", "elf"] + ["uf2"] * (chip.uf2_family is not None) + ["esp"] * (chip.esp_image is not None)
    files = [Path("out") / f"firmware.{end}" for end in ends]
    words = flash.command(chip, files, "/dev/ttyUSB0")
    assert sum("firmware." in word for word in words) == 1


def test_flashing_over_a_port_asks_for_the_port():
    with pytest.raises(HalfbyteError, match="--port"):
        flash.command(load_chip("esp32c3"), [Path("firmware.esp")], None)


def test_a_flashing_tool_that_is_missing_fails_or_hangs_is_one_line(monkeypatch, tmp_path):
    chip = load_chip("ch32v003")
    files = [tmp_path / "firmware.bin"]
    monkeypatch.setattr(flash, "TIMEOUT", 0.2)
    for words, says in (
        (("no-such-tool", "{bin}"), "no-such-tool is not installed; get it with: cargo"),
        (("false", "{bin}"), "failed with exit code 1"),
        (("sleep", "5"), "did not finish"),
    ):
        other = chip.model_copy(update={"flasher": chip.flasher.model_copy(update={"command": words})})
        with pytest.raises(HalfbyteError, match=says) as caught:
            flash.flash(other, files, None)
        assert one_line(str(caught.value))


def test_the_verbs_print_json_with_the_keys_they_promise(trained, halfbyte):
    code, out, err = halfbyte("emulate", str(trained), "--chip", "ch32v002", "--images", "2", "--json")
    assert code == 0, err
    record = json.loads(out)
    keys = {"images", "mismatches", "flash", "ram", "stack", "instructions", "cycles", "layers"}
    assert keys <= set(record)
    assert (record["images"], record["mismatches"]) == (2, 0)
    _, out, _ = halfbyte("flash", str(trained), "--chip", "rp2040", "--dry-run")
    assert out.startswith("picotool load -x ")
    assert Path(out.split()[-1]).is_file()


def test_wrong_words_are_one_line_and_exit_code_2(trained, halfbyte):
    for words in (
        ("emulate", str(trained), "--chip", "ch32v00"),
        ("build", str(trained), "--chip", "ch32v003", "--toolchain", "keil"),
        ("build", str(trained / "nothing"), "--chip", "ch32v003"),
        ("emulate", str(trained), "--chip", "ch32v003", "--images", "1000000"),
        ("fit", "digits-fd", "--chip", "ch32v003"),
        ("build", str(trained), "--chip", "ch32v003", "--input", "columns"),
        ("build", str(trained), "--chip", "ch32v003", "--input", "rows"),
        ("emulate", str(trained), "--chip", "all", "--toolchain", "keil"),
        ("emulate", str(trained), "--chip", "ch32v003", "--toolchain", "all", "--compile", "0"),
        ("emulate", str(trained), "--chip", "ch32v003", "--toolchain", "all", "--kernels", "eeprom"),
    ):
        code, out, err = halfbyte(*words)
        assert (code, out) == (2, "")
        last = err.strip().splitlines()[-1]  # a progress bar may stand above it
        assert last.startswith("halfbyte: ")


def test_all_chips_are_a_row_each_and_a_chip_that_is_too_small_says_so(trained, halfbyte, monkeypatch):
    monkeypatch.setattr("exporter.chips.chip.chip_names", lambda: ["ch32v003", "stm32g030"])
    code, out, err = halfbyte("emulate", str(trained), "--chip", "all", "--images", "1", "--json")
    assert code == 0, err
    rows = json.loads(out)
    assert [(row["chip"], row["mismatches"], row["note"]) for row in rows] == [
        ("ch32v003", 0, ""),
        ("stm32g030", 0, ""),
    ]
    small = emulator.row(trained, shrunk(load_chip("ch32v003")), images_of(trained, 1), Options())
    assert small["note"] == "does not fit"
    assert small["mismatches"] is None


def test_a_table_in_a_file_goes_on_where_it_stopped_and_drops_lines_of_other_networks(trained, halfbyte, tmp_path):
    table = tmp_path / "chips.md"
    words = ("emulate", str(trained), "--chip", "stm32g030", "--images", "1", "--table", str(table))
    code, _, err = halfbyte(*words)
    assert code == 0, err
    text = table.read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("| stm32g030 | zig -Os | 1 | 0 | ")]
    assert f"halfbyte {' '.join(words[:4])}" in text
    table.write_text(text.replace(line, line.replace("| 1 | 0 |", "| 1 | kept |")))
    assert halfbyte(*words)[0] == 0
    assert "| kept |" in table.read_text()  # it was not run again
    halfbyte(*words[:5], "2", *words[6:])
    assert "| kept |" not in table.read_text()
    assert table.read_text().count("\n## ") == 1
    halfbyte(*words, "--input", "frame")
    assert "--input frame --images 1" in table.read_text()
    assert "| stm32g030 | zig -Os, input by frame | 1 | 0 | " in table.read_text()


def test_data_and_stack_of_an_emulated_image_are_added_up(trained, halfbyte):
    _, out, _ = halfbyte("emulate", str(trained), "--chip", "stm32c011", "--images", "1", "--json")
    found = json.loads(out)
    _, out, _ = halfbyte("emulate", str(trained), "--chip", "stm32c011", "--images", "1")
    assert (
        f"{found['ram'] + found['stack_bound']:,} of 6,144 bytes of RAM: {found['ram']:,} of data and at most "
        f"{found['stack_bound']:,} of stack ({found['stack']:,} seen)\n"
    ) in out


def shrunk(chip):
    memory = tuple(m.model_copy(update={"size": 2048}) for m in chip.memory)
    return chip.model_copy(update={"memory": memory})
