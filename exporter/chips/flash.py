# SPDX-License-Identifier: Apache-2.0
"""Writing an image to a board: the chip's own flashing tool, as its description says."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from training.errors import HalfbyteError

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.chips.chip import Chip

TIMEOUT = 120  # seconds


def command(chip: Chip, files: list[Path], port: str | None) -> list[str]:
    """The command that flashes these files; HalfbyteError where there is none, or it needs a port and has none."""
    if chip.flasher is None:
        raise HalfbyteError(f"{chip.name} is not flashed; the image is {', '.join(map(str, files))}")
    places = {path.suffix[1:]: str(path) for path in files}
    if port is None and any("{port}" in word for word in chip.flasher.command):
        raise HalfbyteError(f"{chip.name} is flashed over a serial port: name it with --port, such as /dev/ttyUSB0")
    return [word.format(**places, port=port) for word in chip.flasher.command]


def flash(chip: Chip, files: list[Path], port: str | None) -> None:
    """Run the tool; HalfbyteError where it is not installed, fails, or does not end."""
    words = command(chip, files, port)
    assert chip.flasher
    if shutil.which(words[0]) is None:
        raise HalfbyteError(f"{words[0]} is not installed; get it with: {chip.flasher.install}")
    try:
        result = subprocess.run(words, check=False, timeout=TIMEOUT, stdin=subprocess.DEVNULL)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise HalfbyteError(f"{words[0]} did not finish in {TIMEOUT} seconds; is the board connected?") from None
    if result.returncode:
        raise HalfbyteError(f"{words[0]} failed with exit code {result.returncode}; is the board connected?")
