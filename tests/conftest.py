# SPDX-License-Identifier: Apache-2.0
"""One thread, no idle spinning, repeatable examples, and reasons for every test that is skipped."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: its threads do not spin while they wait
sys.path.insert(0, str(Path(__file__).parent))  # strategies.py and support.py, for tests and for worker processes

import hypothesis
import numpy as np
import pytest
import torch

from halfbyte import cli

if TYPE_CHECKING:
    from collections.abc import Callable

torch.set_num_threads(1)
hypothesis.settings.register_profile("halfbyte", derandomize=True, deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("halfbyte")


def pytest_configure(config: pytest.Config) -> None:
    if "s" not in config.option.reportchars:
        config.option.reportchars += "s"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def halfbyte(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process: (exit code, standard output, standard error)."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["halfbyte", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return run
