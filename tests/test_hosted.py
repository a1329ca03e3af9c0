# SPDX-License-Identifier: Apache-2.0
"""Images without a chip: a WebAssembly module, and a process of the machine itself."""

from __future__ import annotations

import importlib
import shutil
import subprocess

import pytest
from support import HOSTED, needs_emulator, network, one_line

from exporter.chips import flash, native, protocol
from exporter.chips.chip import load_chip
from exporter.chips.emulate import emulate
from exporter.chips.fit import fit
from exporter.chips.image import Options, build, write
from exporter.chips.machine import EmulationError, start
from exporter.export import export
from exporter.verify import random_samples
from training.errors import HalfbyteError
from training.recipe import load_recipe

pytest.importorskip("ziglang", reason="the cross compiler is not installed")
AS_IT_LIES = Options(variant="portable")  # the C of the run, which a test may have broken


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(network(64, 16, 10), "small", out=tmp_path_factory.mktemp("hosted"))


@pytest.fixture(scope="module")
def samples(exported):
    return random_samples(exported.graph, 3)


@pytest.fixture(scope="module")
def images(exported, samples):
    return {name: build(exported.folder, load_chip(name), samples, Options(samples=0)) for name in HOSTED}


def broken(exported, folder, statement):
    """The folder of a run whose forward pass begins with this statement."""
    shutil.copytree(exported.folder, folder)
    source = folder / "c" / "small.c"
    head, tail = source.read_text().split("hb_small_run(int32_t *scores, const int8_t *x, void *arena)\n{\n")
    source.write_text(f"{head}hb_small_run(int32_t *scores, const int8_t *x, void *arena)\n{{\n{statement}\n{tail}")
    return folder


@pytest.mark.parametrize("name", HOSTED)
def test_frames_that_are_wrong_are_refused_and_the_next_one_is_answered(images, samples, name):
    needs_emulator(load_chip(name))
    machine = start(load_chip(name), images[name].elf)
    assert b"halfbyte small" in machine.run()
    good = protocol.frame(protocol.RUN, samples[0].tobytes())
    for sent in (good[:-1] + bytes([good[-1] ^ 1]), good[:10] + bytes([good[10] ^ 1]) + good[11:]):
        kind, payload = protocol.parse(machine.run(sent))
        assert (kind, protocol.error_text(payload)) == (protocol.ERROR, "bad CRC")
    assert protocol.parse(machine.run(b"\x00\x11noise" + good))[0] == protocol.RUN | protocol.REPLY
    assert protocol.parse(machine.run(good))[0] == protocol.RUN | protocol.REPLY


@pytest.mark.parametrize("name", HOSTED)
def test_a_wrong_kernel_is_found_and_named(exported, samples, tmp_path, name):
    needs_emulator(load_chip(name))
    folder = broken(exported, tmp_path / "run", "int8_t other[64] = {1, 2, 3};\nx = other;")
    report = emulate(folder, load_chip(name), samples, AS_IT_LIES)
    assert report.text[-1] == "selftest FAILED"
    assert report.first.layer == "fc1"
    assert {layer.name for layer in report.layers if layer.mismatches} <= {"fc1", "fc1.maxshift", "fc2"}


@pytest.mark.parametrize(
    ("name", "says"), [("wasm32", "out of bounds.* at .*hb_small_run"), ("host", "ended with code")]
)
def test_a_fault_is_one_line(exported, samples, tmp_path, name, says):
    needs_emulator(load_chip(name))
    folder = broken(exported, tmp_path / "run", "*(volatile uint8_t *)(~(uintptr_t)0 / 2 - 9) = 1;")
    with pytest.raises(EmulationError, match=says) as caught:
        emulate(folder, load_chip(name), samples, AS_IT_LIES)
    assert one_line(str(caught.value))


def test_a_module_that_never_ends_is_stopped(exported, samples, tmp_path, monkeypatch):
    needs_emulator(load_chip("wasm32"))
    monkeypatch.setattr("exporter.chips.wasm.FUEL", 1_000_000)
    folder = broken(exported, tmp_path / "run", "for (volatile int i = 1; i;) { }")
    with pytest.raises(EmulationError, match="fuel"):
        emulate(folder, load_chip("wasm32"), samples, AS_IT_LIES)


def test_a_process_that_never_ends_is_stopped(exported, samples, tmp_path, monkeypatch):
    monkeypatch.setattr(native, "SECONDS", 1)
    folder = broken(exported, tmp_path / "run", "for (volatile int i = 1; i;) { }")
    with pytest.raises(EmulationError, match="did not finish within 1 seconds"):
        emulate(folder, load_chip("host"), samples, AS_IT_LIES)


def test_the_flash_of_a_module_is_the_module_without_its_names(images):
    wasmtime = pytest.importorskip("wasmtime", reason="wasmtime is not installed")
    elf = images["wasm32"].elf
    engine = wasmtime.Engine()
    whole, stripped = (wasmtime.Module(engine, data) for data in (elf.raw, elf.segments[0].data))
    assert [e.name for e in whole.exports] == [e.name for e in stripped.exports]
    assert images["wasm32"].sizes.flash == len(elf.segments[0].data) < len(elf.raw)
    assert b"hb_linear" not in elf.segments[0].data


def test_operators_are_counted_of_the_forward_pass_alone(exported, samples):
    needs_emulator(load_chip("wasm32"))
    wasmtime = pytest.importorskip("wasmtime")
    report = emulate(exported.folder, load_chip("wasm32"), samples[:1])
    twice = emulate(exported.folder, load_chip("wasm32"), samples[[0, 0]])
    assert report.instructions == twice.instructions > 64 * 16
    assert report.input_instructions == twice.input_instructions > 64
    # three operators in all: what wasmtime's fuel means
    config = wasmtime.Config()
    config.consume_fuel = True
    store = wasmtime.Store(wasmtime.Engine(config))
    store.set_fuel(100)
    text = '(module (func (export "f") (result i32) (block) (nop) (i32.add (i32.const 1) (i32.const 2))))'
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, text), []).exports(store)
    assert exports["f"](store) == 3
    assert 100 - store.get_fuel() == 3 + 1  # and one for the function itself


def test_the_program_answers_on_standard_output_and_ends_with_its_input(images, tmp_path, samples):
    (path,) = write(images["host"], tmp_path)
    assert path.name == "firmware.elf"
    sent = protocol.frame(protocol.INFO) + protocol.frame(protocol.RUN, samples[0].tobytes())
    result = subprocess.run([path], input=sent, capture_output=True, timeout=30, check=True)
    text, frames = result.stdout.split(b"\r\n", 2)[1:]
    assert text.startswith(b"halfbyte small ")
    kind, payload = protocol.parse(frames)
    assert kind == protocol.INFO | protocol.REPLY
    assert protocol.parse(frames[len(protocol.frame(kind, payload)) :])[0] == protocol.RUN | protocol.REPLY


@pytest.mark.parametrize("name", HOSTED)
def test_fit_answers_with_what_can_be_known(name):
    needs_emulator(load_chip(name))
    found = fit(load_recipe("digits-fc"), load_chip(name), Options())
    assert found.fits
    assert found.sizes.flash > found.sizes.weights > 0
    assert (found.typical.instructions is None) == (name == "host")
    assert found.typical.cycles is found.worst.ms is None


@pytest.mark.parametrize("name", HOSTED)
def test_what_is_not_flashed_says_so(images, tmp_path, name):
    files = write(images[name], tmp_path)
    with pytest.raises(HalfbyteError, match=f"{name} is not flashed; the image is"):
        flash.command(load_chip(name), files, None)


def test_a_chip_without_a_gcc_says_so(exported, samples):
    with pytest.raises(HalfbyteError, match="there is no gcc for wasm32: leave out --toolchain gcc"):
        build(exported.folder, load_chip("wasm32"), samples, Options(toolchain="gcc"))


def test_a_missing_wasmtime_is_one_line(exported, samples, monkeypatch):
    real = importlib.import_module

    def missing(name, *rest):
        if name == "wasmtime":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(HalfbyteError, match="pip install 'halfbyte\\[emulator\\]'"):
        emulate(exported.folder, load_chip("wasm32"), samples[:1])
