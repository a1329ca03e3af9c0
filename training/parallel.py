# SPDX-License-Identifier: Apache-2.0
"""One training step by several threads, each with its share of the batch: cores do what a kernel cannot share out."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.layers import BitLayer

if TYPE_CHECKING:
    from types import TracebackType

SOFT = 2.0  # what outputs are divided by before they are compared with a teacher's


class Workers:
    """A model and its twins, one for each thread: the same parameters, gradients and running statistics of their own.

    Batch statistics are those of a thread's share; running ones are averaged after every step. The result depends on
    the number of threads and on nothing else. With one thread it is a step of the model as it stands.

    teacher, distill  a network whose outputs this fraction of the loss follows: Hinton et al. 2015 (arXiv 1503.02531)
    """

    def __init__(
        self,
        model: nn.Module,
        threads: int,
        label_smoothing: float,
        teacher: nn.Module | None = None,
        distill: float = 0.0,
    ) -> None:
        self.models = [model, *(copy.deepcopy(model) for _ in range(threads - 1))]
        for twin in self.models[1:]:
            for theirs, ours in zip(twin.parameters(), model.parameters(), strict=True):
                theirs.data = ours.data
            for layer, original in zip(twin.modules(), model.modules(), strict=True):
                if isinstance(layer, BitLayer) and isinstance(original, BitLayer):
                    layer.mask = original.mask
        self.label_smoothing, self.distill = label_smoothing, distill
        self.teachers = [copy.deepcopy(teacher) for _ in self.models] if teacher is not None and distill else []
        self.pool = ThreadPoolExecutor(max(1, threads - 1), initializer=torch.set_num_threads, initargs=(1,))

    def __enter__(self) -> Self:
        for model in [*self.models, *self.teachers]:
            model.train()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.pool.shutdown()

    def step(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The mean loss of a batch, its gradients left in the model, and the logits.  # (), (n, classes)"""
        parts = list(zip(self.models, x.chunk(len(self.models)), y.chunk(len(self.models)), strict=False))
        waiting = [self.pool.submit(self._part, *part, len(y)) for part in parts[1:]]
        results = [self._part(*parts[0], len(y)), *(part.result() for part in waiting)]
        self._collect(len(parts))
        return torch.stack([loss for loss, _ in results]).sum(), torch.cat([logits for _, logits in results])

    def _part(self, model: nn.Module, x: Tensor, y: Tensor, n: int) -> tuple[Tensor, Tensor]:
        model.zero_grad()
        logits = model(x)
        loss = functional.cross_entropy(logits, y, label_smoothing=self.label_smoothing)
        if self.teachers:
            loss = (1 - self.distill) * loss + self.distill * self._apart(logits, self._taught(model, x))
        loss = loss * (len(y) / n)
        loss.backward()
        return loss.detach(), logits.detach()

    @torch.no_grad()
    def _taught(self, model: nn.Module, x: Tensor) -> Tensor:
        """Logits of the teacher of that twin; in train(), where it is fast, which moves its statistics alone."""
        logits: Tensor = self.teachers[self.models.index(model)](x)
        return logits

    @staticmethod
    def _apart(logits: Tensor, taught: Tensor) -> Tensor:
        """How far outputs are from the teacher's, both softened: their Kullback-Leibler divergence."""
        ours, theirs = (functional.log_softmax(v / SOFT, 1) for v in (logits, taught))
        return functional.kl_div(ours, theirs, reduction="batchmean", log_target=True) * SOFT**2

    @torch.no_grad()
    def _collect(self, used: int) -> None:
        """Gradients of the twins go to the model, running statistics become the mean of all."""
        model, *twins = self.models[:used]
        for twin in twins:
            for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
                if ours.grad is not None and theirs.grad is not None:
                    ours.grad += theirs.grad
        if not twins:
            return
        for buffers in zip(*(m.buffers() for m in self.models), strict=True):
            if buffers[0].is_floating_point():
                mean = torch.stack(buffers[:used]).mean(0)
                for buffer in buffers:
                    buffer.copy_(mean)
