# SPDX-License-Identifier: Apache-2.0
"""How many rows of a tensor are alive at once where stages take turns, found by playing it through."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.stages import Stage

Rings = dict[str, int]


def find_rings(stages: Sequence[Stage], source: str | None = None) -> Rings:
    """Rows that each tensor made within a group needs at once.

    The stages take turns, as the C does: each makes a step if the rows for it are there. What they read from outside is
    whole, but for `source`, of which a row comes whenever no stage has anything left to do; its ring is found as well.
    No stage waits for those behind it, so the rings of a group are also those of each shorter one with the same start.
    """
    play = _Play(stages, source)
    while play.turn() or play.push():
        pass
    assert all(done == stage.steps for done, stage in zip(play.steps, stages, strict=True)), (
        "stages wait for each other"
    )
    return play.rings


class _Play:
    """Rows made of every tensor, steps of every stage, and the rows that each tensor needed at once so far."""

    def __init__(self, stages: Sequence[Stage], source: str | None) -> None:
        self.stages, self.source = stages, source
        self.made = {stage.name: 0 for stage in stages} | ({source: 0} if source else {})
        self.steps = [0] * len(stages)
        self.rings = dict.fromkeys(self.made, 1)
        self.readers = {name: [i for i, s in enumerate(stages) if name in s.main.inputs] for name in self.made}

    def turn(self) -> bool:
        """Every stage that can makes a step; could any?"""
        return sum(self.step(index) for index in range(len(self.stages))) > 0

    def step(self, index: int) -> bool:
        """A stage makes a step, if it can."""
        stage, step = self.stages[index], self.steps[index]
        if step == stage.steps:
            return False
        end = stage.reads(step)[1]
        if any(self.made.get(name, end) < end for name in stage.main.inputs):
            return False
        self._make(stage.name, stage.makes(step))  # while the rows that it reads are still needed
        self.steps[index] += 1
        return True

    def push(self) -> bool:
        """A row of the source comes, if there is another."""
        if self.source is None or self.made[self.source] == self.stages[self.readers[self.source][0]].height:
            return False
        self._make(self.source, self.made[self.source] + 1)
        return True

    def _make(self, name: str, rows: int) -> None:
        """There are so many rows of a tensor now: the newest one beside all those that somebody still needs."""
        self.made[name] = rows
        waiting = [(self.stages[i], self.steps[i]) for i in self.readers[name]]
        needed = [stage.reads(done)[0] for stage, done in waiting if done < stage.steps]
        if needed:
            self.rings[name] = max(self.rings[name], rows - min(needed))
