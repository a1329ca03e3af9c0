# SPDX-License-Identifier: Apache-2.0
"""Pruning: scores, channels that go together, masks of single weights; a module in place, or a finished run."""

from training.prune.apply import Pruned, prune

__all__ = ["Pruned", "prune"]
