# SPDX-License-Identifier: Apache-2.0
"""Gradual pruning in a recipe: as many weights as asked are 0, in every place that computes them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from exporter.graph import read_graph
from training.errors import HalfbyteError
from training.layers import BitLinear
from training.parallel import Workers


def test_training_ends_with_as_many_zeros_as_asked(halfbyte, tmp_path):
    words = ("--set", "model.format=nf4", "--set", "prune.sparsity=0.7", "--set", "train.epochs=3")
    assert halfbyte("run", "digits-fc", *words, "--out", tmp_path / "run")[0] == 0
    nodes = read_graph(tmp_path / "run" / "graph.json").nodes
    w = [node.op.w for node in nodes if node.op.kind == "linear"]
    size = sum(one.size for one in w)
    assert sum((one == 0).sum() for one in w) >= round(0.7 * size)


def test_twins_that_share_a_batch_share_the_masks():
    model = nn.Sequential(BitLinear(8, 4, format="int4", requant=None))
    model[0].prune(torch.ones(4, 8, dtype=torch.bool))
    with Workers(model, 2, 0.0) as workers:
        mask = torch.eye(4, 8, dtype=torch.bool)
        model[0].prune(mask)
        assert all(not m[0]._trained_levels()[~mask].any() for m in workers.models)


@pytest.mark.parametrize("fmt", ["binary", "sym2", "sym4", "sym5", "shift4"])
def test_a_format_without_a_zero_cannot_be_pruned(fmt):
    layer = BitLinear(4, 3, format=fmt)
    with pytest.raises(HalfbyteError, match=f"format {fmt} has no level 0, .* use ternary, int4, nf4, int8"):
        layer.prune(torch.eye(3, 4, dtype=torch.bool))
    assert layer.mask is None


def test_a_clip_scale_is_that_of_the_weights_that_are_kept():
    layer = BitLinear(64, 64, format="int4", requant=None)
    mask = torch.rand(64, 64) < 0.2
    w = layer.weight.detach().clone()
    layer.prune(mask)
    layer.update_clip()
    alone = BitLinear(int(mask.sum()), 1, format="int4", requant=None)
    alone.weight.data.copy_(w[mask][None])
    alone.update_clip()
    assert layer.clip_scale.item() == pytest.approx(alone.clip_scale.item(), rel=0.05)
