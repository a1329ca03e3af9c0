# SPDX-License-Identifier: Apache-2.0
"""How much worse a trained network gets where one layer alone is quantized to another format, without training."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from training import data
from training.errors import HalfbyteError
from training.formats import FORMATS
from training.layers import BitLayer
from training.loop import Images, evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from training.recipe import Recipe


def validation(recipe: Recipe, count: int) -> Images:
    """So many images of those that the recipe's training held out; the test set is not opened."""
    _, held = data.split(data.load_train(recipe.data), recipe.train.seed)
    return Images(torch.as_tensor(held.x[:count]), torch.as_tensor(held.y[:count]))


def loss_increases(
    model: nn.Module,
    images: Images,
    formats: Sequence[str] = tuple(FORMATS),
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[float, dict[str, dict[str, float]]]:
    """The loss of a model in eval(), and by layer and format what is added to it where that layer has that format.

    The clip scale of the layer is fitted, everything else stays. A layer's own format adds nothing; formats that it
    cannot have, since they have no level 0 and it is pruned, are left out.
    """
    before, _ = evaluate(model, images)
    found: dict[str, dict[str, float]] = {}
    for path, layer in model.named_modules():
        if not isinstance(layer, BitLayer):
            continue
        found[path] = {}
        for name in formats:
            progress(f"{path} as {name}")
            other = copy.deepcopy(model)
            changed = other.get_submodule(path)
            assert isinstance(changed, BitLayer)
            if changed.fmt is None or changed.fmt.name != name or changed.row_bits is not None:
                try:
                    changed.change_format(name)
                except HalfbyteError:
                    continue
            found[path][name] = evaluate(other, images)[0] - before
    return before, found
