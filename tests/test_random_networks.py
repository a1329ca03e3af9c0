# SPDX-License-Identifier: Apache-2.0
"""Random networks, random and extreme inputs: C, NumPy and PyTorch give the same integers, sanitizers find nothing."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from strategies import seeds
from support import compile_with, needs_sanitizers, network

from exporter.export import Exported, export
from exporter.graph import KERNELS
from exporter.lower import lower
from exporter.randomnet import MAX_DEPTH, MAX_WIDTH, make_sparse, random_network
from exporter.sanitized import keep, run_sanitized
from exporter.verify import random_samples
from training.formats import FORMATS
from training.layers import BitLinear, Input


def compiled(exported: Exported, *flags: str) -> Exported:
    """The same, its C compiled with those flags."""
    compile_with(exported, *flags)
    return exported


@given(seeds)
@settings(max_examples=60)
def test_every_integer_of_a_random_network_is_the_same_three_times(seed):
    kernels = ((), *((name,) for name in KERNELS))
    model = random_network(seed) if seed % 3 else make_sparse(random_network(seed), seed)
    exported = compiled(export(model, "net", variants=kernels[seed % len(kernels)]), "-O0", "-Werror")
    report = exported.compare(random_samples(exported.graph, 24, seed), random=5)
    assert report.first is None, str(report.first)
    assert report.mismatches == 0
    assert report.images == 24
    assert len(report.layers) == len(exported.graph.nodes) + 2  # and the scores and the class a caller sees


def test_random_networks_use_everything_there_is():
    used: set[object] = set()
    layers: list[BitLinear] = []
    for seed in range(150):
        model = random_network(seed)
        assert not model.training
        layers += [m for m in model.modules() if isinstance(m, BitLinear)]
        rule = next(m for m in model.modules() if isinstance(m, Input))
        used |= {rule.dtype, ("resize", rule.resize is not None), ("signed", rule.lo < 0), ("shift", rule.shift > 0)}
        used |= {("depth", sum(isinstance(m, BitLinear) for m in model))}
    for layer in layers:
        used |= {layer.fmt.name, ("scale", layer.scale), ("center", layer.center), ("bias", layer.bias is not None)}
        if layer.requant is not None:
            used |= {layer.requant.kind, (layer.requant.lo, layer.requant.hi), (layer.requant.kind, layer.requant.norm)}
    assert used >= {*FORMATS, "uint8", "int8", "int16", "maxshift", "shift", "mulshift"}
    assert used >= {(lo, hi) for hi in (127, 15) for lo in (0, -hi)}
    assert used >= {("scale", "channel"), ("mulshift", "batch"), ("maxshift", "rms"), ("maxshift", "l1")}
    assert used >= {(key, value) for key in ("resize", "signed", "shift", "center", "bias") for value in (True, False)}
    assert used >= {("depth", depth) for depth in range(1, MAX_DEPTH + 1)}
    widths = {layer.fan_in for layer in layers} | {layer.out_channels for layer in layers}
    assert min(widths) == 1
    assert 250 < max(widths) <= MAX_WIDTH


def test_a_random_network_is_a_function_of_its_seed_and_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    first, second = (lower(random_network(7), "net")[0] for _ in range(2))
    assert first.digest == second.digest
    assert lower(random_network(8), "net")[0].digest != first.digest
    assert torch.equal(torch.get_rng_state(), before)


def test_address_and_undefined_behaviour_sanitizers_find_nothing_in_random_networks(tmp_path):
    needs_sanitizers()
    folders = [tmp_path / str(seed) for seed in range(6)]
    for seed, folder in enumerate(folders):
        exported = export(random_network(1000 + seed), "net", out=folder)
        keep(folder, exported.graph, random_samples(exported.graph, 12))
    result = run_sanitized(*folders)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout == f"clean {len(folders)}\n"


def test_the_sanitizers_would_find_a_read_behind_the_input(tmp_path):
    needs_sanitizers()
    exported = export(network(8, 3), "net", out=tmp_path)
    keep(tmp_path, exported.graph, random_samples(exported.graph, 3))
    kernel = tmp_path / "c" / "hb_linear_sym4.c"
    kernel.write_text(kernel.read_text().replace("int32_t sum = 0;", "int32_t sum = x[n_in] & 1;", 1))
    result = run_sanitized(tmp_path)
    assert result.returncode != 0
    assert "AddressSanitizer" in result.stderr
