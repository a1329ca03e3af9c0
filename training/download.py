# SPDX-License-Identifier: Apache-2.0
"""Fetching the files of a registered data set into the user's cache; torchvision does it and is imported only here."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from training import idx
from training.errors import HalfbyteError

SILENCE_S = 20.0  # seconds without a byte from a server after which it is given up

Fetch = Callable[[Any, str], object]  # (torchvision.datasets, root folder) -> whatever; the files lie under root


def download(name: str, fetch: Fetch, digests: Mapping[str, str], folder: Path) -> None:
    """Puts the files of a data set into `folder`: all of them and checked, or none.

    fetch    calls the data set's class in torchvision
    digests  SHA-256 of the unpacked content by file name (without .gz)

    They are fetched into a temporary folder beside `folder` and moved when every digest is right. HalfbyteError, one
    line without the name of the data set, says why it did not come to that.
    """
    datasets = _torchvision_datasets()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as root:
            _fetch(name, fetch, datasets, root)
            for path in [_checked(Path(root), file, digest) for file, digest in digests.items()]:
                shutil.move(path, folder / path.name)
    except OSError as error:
        raise HalfbyteError(f"cannot write to {folder}: {error.strerror or error}") from None


def _torchvision_datasets() -> Any:  # noqa: ANN401 - a module of a package that need not be there
    """The module torchvision.datasets, or a HalfbyteError that says why it cannot be imported."""
    try:
        return importlib.import_module("torchvision.datasets")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "torchvision":
            raise HalfbyteError("torchvision, which would download it, is not installed") from None
        raise HalfbyteError(_not_importable(error)) from None
    except Exception as error:  # noqa: BLE001 - a mismatched build fails in many ways, none of them declared
        raise HalfbyteError(_not_importable(error)) from None


def _not_importable(error: Exception) -> str:
    return (
        f"torchvision, which would download it, cannot be imported ({_one_line(error)}): its Linux wheels on PyPI are "
        "built for the CUDA build of torch and do not work beside a CPU-only torch"
    )


def _fetch(name: str, fetch: Fetch, datasets: Any, root: str) -> None:  # noqa: ANN401 - see above
    """Runs `fetch`, with its messages on stderr and a limit on how long a server may be silent."""
    console = Console(stderr=True, highlight=False)
    console.print(f"Downloading {name} with torchvision ...")
    try:
        with _socket_timeout(SILENCE_S), contextlib.redirect_stdout(sys.stderr):
            fetch(datasets, root)
    except Exception as error:  # noqa: BLE001 - torchvision raises URLError, RuntimeError, BadZipFile ...
        raise HalfbyteError(f"the download failed ({_one_line(error)})") from None


def _checked(root: Path, file: str, digest: str) -> Path:
    """The downloaded file of this name anywhere under `root`, after comparing its content with the digest."""
    found = sorted([*root.rglob(file), *root.rglob(f"{file}.gz")])
    if not found:
        raise HalfbyteError(f"the download brought no {file}")
    got = hashlib.sha256(idx.content(found[0])).hexdigest()
    if got != digest:
        raise HalfbyteError(f"the downloaded {file} has SHA-256 {got[:16]}..., expected {digest[:16]}...: not used")
    return found[0]


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _one_line(error: BaseException) -> str:
    """The type and the message of an exception, at most 120 characters of it, on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:120]}" if text else type(error).__name__
