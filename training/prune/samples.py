# SPDX-License-Identifier: Apache-2.0
"""Samples of the training set that scores look at and learn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from training.augment import Augment, augment
from training.recipe import TrainSection

if TYPE_CHECKING:
    from collections.abc import Iterator

CALIBRATION = 1024  # samples, undistorted
CALIBRATION_BATCH = 32
CALIBRATION_SEED = 7_654_321


@dataclass(frozen=True)
class Samples:
    """Raw samples and classes on the device, and how a network learns from them.  # (n, *shape), (n,)"""

    x: Tensor
    y: Tensor
    settings: TrainSection = field(default_factory=TrainSection)
    distort: Augment = field(default_factory=Augment)

    def calibration(self) -> list[tuple[Tensor, Tensor]]:
        """The same few samples, drawn by the seed, in small batches."""
        generator = torch.Generator().manual_seed(CALIBRATION_SEED + self.settings.seed)
        index = torch.randperm(len(self.y), generator=generator)[:CALIBRATION].to(self.x.device)
        return [(self.x[part], self.y[part]) for part in index.split(CALIBRATION_BATCH)]

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All samples in a new order, distorted; a function of seed and number alone."""
        generator = torch.Generator(self.x.device).manual_seed(CALIBRATION_SEED + self.settings.seed * 1000 + number)
        index = torch.randperm(len(self.y), generator=generator, device=self.x.device)
        for part in index.split(self.settings.batch):
            yield augment(self.x[part], self.distort, generator), self.y[part]
