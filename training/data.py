# SPDX-License-Identifier: Apache-2.0
"""Data sets: integer inputs with class numbers, from IDX files, an .npz of the user's own, or scikit-learn's digits.

Nothing is scaled or converted: what a file stores is what the network's integer input rule (SPEC 2) takes. Training
calls `load_train` and `split` and never opens a test file; `load_test` is for the end.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import string
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs
from rich.console import Console

from training import idx
from training.download import Fetch, download
from training.errors import HalfbyteError

INPUT_TYPES = (np.dtype(np.uint8), np.dtype(np.int8), np.dtype(np.int16))
DIGITS = "digits"
MAX_CLASSES = 1 << 16
SAVE_NPZ = "make it with numpy.savez(path, x=..., y=...)"
HELD_OUT_SEED = 0  # of the test sets that are cut from a training set; fixed, so that every run has the same


@dataclass(frozen=True)
class Dataset:
    """One split of a data set.

    x       (n, ...) uint8, int8 or int16, as stored
    y       (n,) int64, class numbers 0 ... len(labels) - 1
    labels  the name of each class
    """

    x: npt.NDArray[np.integer]
    y: npt.NDArray[np.int64]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class IdxSet:
    """A registered data set of four IDX files.

    folder       its folder under the root of torchvision's layout: <root>/<folder>/raw/<file>
    files        train images, train labels, test images, test labels; each may have .gz appended
    sha256       of the unpacked files, in the same order
    labels       name of each class
    fetch        the call that makes torchvision download it
    transposed   images are stored column by column
    first_label  the number that is stored for class 0
    """

    folder: str
    files: tuple[str, str, str, str]
    sha256: tuple[str, str, str, str]
    labels: tuple[str, ...]
    fetch: Fetch
    transposed: bool = False
    first_label: int = 0


_MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

IDX_SETS = {
    "mnist": IdxSet(
        folder="MNIST",
        files=_MNIST_FILES,
        sha256=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        labels=tuple(string.digits),
        fetch=lambda datasets, root: datasets.MNIST(root, download=True),
    ),
    "fashion-mnist": IdxSet(
        folder="FashionMNIST",
        files=_MNIST_FILES,
        sha256=(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        labels=("t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"),
        fetch=lambda datasets, root: datasets.FashionMNIST(root, download=True),
    ),
    "emnist-letters": IdxSet(
        folder="EMNIST",
        files=(
            "emnist-letters-train-images-idx3-ubyte",
            "emnist-letters-train-labels-idx1-ubyte",
            "emnist-letters-test-images-idx3-ubyte",
            "emnist-letters-test-labels-idx1-ubyte",
        ),
        sha256=(
            "7a786db773b2096a7b9a3f3275388a27711f4451548c3ca8be96f09ae94371ae",
            "e8e94c3f4353d5532fd9604b939cb4c76e7847945b9b0d9ff7884d881dead6bc",
            "d5895e82d14765b22a84342337bc5c25f1affd61cc97d3821d4e65504bbf8dbc",
            "22dbcde0a929a7f166bdac863b9195b2994d840a1e082f8f6daaeac5606376a6",
        ),
        labels=tuple(string.ascii_uppercase),
        fetch=lambda datasets, root: datasets.EMNIST(root, split="letters", download=True),
        transposed=True,
        first_label=1,
    ),
}


def load_train(name: str) -> Dataset:
    """The whole training set of a data set; no file of its test set is opened.

    name  a registered set (`mnist`, `fashion-mnist`, `emnist-letters`), `digits`, or the path of an .npz

    A registered set is looked for in $HALFBYTE_DATA, then in the user's cache, then downloaded into the cache.
    HalfbyteError where it is unknown, missing or damaged.
    """
    return _load(name, test=False)


def load_test(name: str) -> Dataset:
    """The test set of a data set; see `load_train`."""
    return _load(name, test=True)


def find(name: str) -> Path | None:
    """The folder that has all files of a registered set, the path of an .npz that exists, else None; reads nothing.

    None for `digits`, which is always there and lies in no folder of ours.
    """
    if name.endswith(".npz"):
        return Path(name) if Path(name).is_file() else None
    if name == DIGITS:
        return None
    return _folder_with(_registered(name), _registered(name).files)


def fetch(name: str) -> Path:
    """The folder of a registered set, downloaded if it is nowhere yet; HalfbyteError says where to put the files."""
    return _fetched(name, _registered(name).files)


def split(train: Dataset, seed: int, fraction: float = 1 / 12) -> tuple[Dataset, Dataset]:
    """A training and a validation part of a training set, stratified by class and drawn by the seed.

    The validation part has exactly round(n * fraction) items: 60,000 give 55,000 and 5,000. Both keep the order of
    the items. Every class gives its share of them, rounded so that the total is right.
    """
    held = _stratified(train.y, fraction, seed)
    return _select(train, ~held), _select(train, held)


def _load(name: str, *, test: bool) -> Dataset:
    if name.endswith(".npz"):
        return _load_npz(Path(name), test=test)
    if name == DIGITS:
        return _load_digits(test=test)
    return _load_idx(name, test=test)


def _registered(name: str) -> IdxSet:
    if name not in IDX_SETS:
        known = ", ".join([*IDX_SETS, DIGITS])
        raise HalfbyteError(f"unknown data set {name!r}; use one of {known}, or the path of an .npz file")
    return IDX_SETS[name]


# IDX files


def _load_idx(name: str, *, test: bool) -> Dataset:
    entry = _registered(name)
    files = entry.files[2:] if test else entry.files[:2]
    folder = _fetched(name, files)
    x_path, y_path = (_existing(folder, file) for file in files)
    if x_path is None or y_path is None:
        raise HalfbyteError(f"{folder}: {' or '.join(files)} vanished while it was being read; try again")
    x, content = idx.read(x_path), idx.content(y_path)
    _refuse_foreign(name, y_path, content)
    y = idx.parse(content, y_path)
    if x.ndim < 2 or y.ndim != 1 or len(x) != len(y) or not len(y):
        raise HalfbyteError(f"{folder}: {files[0]} {x.shape} and {files[1]} {y.shape} do not belong together")
    y64 = y.astype(np.int64) - entry.first_label
    if y64.min() < 0 or y64.max() >= len(entry.labels):
        low, high = entry.first_label, entry.first_label + len(entry.labels) - 1
        raise HalfbyteError(f"{y_path}: has labels {y.min()} to {y.max()}, {name} has {low} to {high}; wrong file?")
    return Dataset(np.ascontiguousarray(x.swapaxes(-1, -2)) if entry.transposed else x, y64, entry.labels)


def _refuse_foreign(name: str, path: Path, content: bytes) -> None:
    """HalfbyteError where a label file is another registered set's: MNIST and Fashion-MNIST share their file names."""
    digest = hashlib.sha256(content).hexdigest()
    for other, entry in IDX_SETS.items():
        if other != name and digest in entry.sha256:
            raise HalfbyteError(f"{path}: belongs to {other}, not to {name}; move its files to {entry.folder}/raw/")


def _cache() -> Path:
    return Path(platformdirs.user_cache_dir("halfbyte"))


def _roots() -> list[Path]:
    own = os.environ.get("HALFBYTE_DATA")
    return [Path(own).expanduser(), _cache()] if own else [_cache()]


def _existing(folder: Path, file: str) -> Path | None:
    """The file in this folder, plain or gzipped."""
    return next((path for path in (folder / file, folder / f"{file}.gz") if path.is_file()), None)


def _folder_with(entry: IdxSet, files: tuple[str, ...]) -> Path | None:
    """The first folder that has all these files: <root>/<folder>/raw, <root>/<folder> or <root> itself."""
    folders = [root / sub for root in _roots() for sub in (f"{entry.folder}/raw", entry.folder, "")]
    return next((folder for folder in folders if all(_existing(folder, file) for file in files)), None)


def _fetched(name: str, files: tuple[str, ...]) -> Path:
    """The folder with these files of a registered set, after a download where there is none."""
    entry = _registered(name)
    folder = _folder_with(entry, files)
    if folder:
        return folder
    target = _cache() / entry.folder / "raw"
    try:
        download(name, entry.fetch, dict(zip(entry.files, entry.sha256, strict=True)), target)
    except HalfbyteError as error:
        looked = " or ".join(str(root) for root in _roots())
        raise HalfbyteError(
            f"data set {name} is not in {looked}, and {error}; put {', '.join(entry.files)} (gzipped or not) into "
            f"{target}, or set HALFBYTE_DATA to the folder that has {entry.folder}/raw/"
        ) from None
    return target


# scikit-learn's digits


def _load_digits(*, test: bool) -> Dataset:
    """1,797 images of 8x8 with values 0 ... 16; a fixed stratified fifth of them is the test set."""
    bunch = importlib.import_module("sklearn.datasets").load_digits()  # takes a second, and only this set needs it
    whole = Dataset(bunch.images.astype(np.uint8), bunch.target.astype(np.int64), tuple(string.digits))
    held = _stratified(whole.y, 1 / 5, HELD_OUT_SEED)
    return _select(whole, held if test else ~held)


# .npz files


def _load_npz(path: Path, *, test: bool) -> Dataset:
    """Own data: `x`, `y`, optional `x_test`, `y_test`, `labels`; without `x_test` a fixed sixth is held out."""
    try:
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise HalfbyteError(f"{path}: damaged or not an .npz; {SAVE_NPZ}")
            stream.seek(0)
            return _from_npz(path, np.load(stream, allow_pickle=False), test=test)
    except HalfbyteError:
        raise
    except FileNotFoundError:
        raise HalfbyteError(f"{path}: no such file; check data = ... in the recipe") from None
    except (OSError, EOFError, ValueError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        why = " ".join(str(error).split())[:120]
        raise HalfbyteError(f"{path}: cannot be read as .npz ({why}); {SAVE_NPZ}") from None


def _from_npz(path: Path, file: Any, *, test: bool) -> Dataset:  # noqa: ANN401 - NpzFile is generic from numpy 2.3 on
    keys = set(file.files)
    needed = {"x", "y"} | ({"x_test", "y_test"} if keys & {"x_test", "y_test"} else set())
    if missing := sorted(needed - keys):
        raise HalfbyteError(f"{path}: has no {' and no '.join(missing)}, it has {', '.join(sorted(keys)) or 'nothing'}")
    y = _class_numbers(path, "y", file["y"])
    labels = _labels(path, y, file["labels"] if "labels" in keys else None)
    if test and "x_test" in keys:
        y_test = _class_numbers(path, "y_test", file["y_test"])
        if y_test.max() >= len(labels):
            raise HalfbyteError(f"{path}: y_test has class {y_test.max()}, y has only 0 to {len(labels) - 1}")
        return Dataset(_inputs(path, "x_test", file["x_test"], len(y_test)), y_test, labels)
    whole = Dataset(_inputs(path, "x", file["x"], len(y)), y, labels)
    if "x_test" in keys:
        _same_kind(path, whole.x)
    return whole if "x_test" in keys else _hold_out(path, whole, test=test)


def _same_kind(path: Path, x: npt.NDArray[Any]) -> None:
    """HalfbyteError where x_test is of another type or shape than x; reads its header alone, none of its values."""
    with zipfile.ZipFile(path) as archive, archive.open("x_test.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    if shape[1:] != x.shape[1:] or dtype.newbyteorder("=") != x.dtype:
        raise HalfbyteError(f"{path}: x_test is {dtype} {shape}, but x is {x.dtype} {x.shape}; make them alike")


def _hold_out(path: Path, whole: Dataset, *, test: bool) -> Dataset:
    held = _stratified(whole.y, 1 / 6, HELD_OUT_SEED)
    _note(
        f"Note: {path} has no x_test: a fixed sixth of x, {held.sum()} of {len(held)} items, is its test set and is "
        "kept out of training."
    )
    return _select(whole, held if test else ~held)


def _class_numbers(path: Path, key: str, y: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """`y` as int64, checked: integers >= 0, one dimension, not empty."""
    if not np.issubdtype(y.dtype, np.integer):
        raise HalfbyteError(f"{path}: {key} is {y.dtype}, expected integers; convert it: {key}.astype(numpy.int64)")
    if y.ndim != 1 or not len(y):
        raise HalfbyteError(f"{path}: {key} has shape {y.shape}, expected one class number for each item of x")
    if y.min() < 0 or y.max() >= MAX_CLASSES:
        raise HalfbyteError(f"{path}: {key} has values {y.min()} to {y.max()}; number the classes 0, 1, 2 ...")
    return y.astype(np.int64)


def _labels(path: Path, y: npt.NDArray[np.int64], names: npt.NDArray[Any] | None) -> tuple[str, ...]:
    """The name of each class; HalfbyteError where the training set does not have every class from 0 up."""
    counts = np.bincount(y)
    if len(counts) < 2 or not counts.all():
        absent = int(np.argmin(counts)) if len(counts) > 1 else 1
        raise HalfbyteError(
            f"{path}: y has no item of class {absent} (its largest is {y.max()}); number the classes 0, 1, 2 ... "
            "without gaps, two at least"
        )
    if names is None:
        return tuple(str(label) for label in range(len(counts)))
    if names.shape != counts.shape:
        raise HalfbyteError(
            f"{path}: labels has shape {names.shape}, y has {len(counts)} classes; give one name for each"
        )
    return tuple(str(label) for label in names)


def _inputs(path: Path, key: str, x: npt.NDArray[Any], n: int) -> npt.NDArray[np.integer]:
    """`x` as stored, checked: an input type, at least one axis beside the items, n items, none of them empty."""
    if np.issubdtype(x.dtype, np.floating):
        raise HalfbyteError(
            f"{path}: {key} is {x.dtype}, expected uint8, int8 or int16; scale it to the range of one and round, for "
            f"example numpy.clip(numpy.rint({key} * 127 / numpy.abs(x).max()), -127, 127).astype(numpy.int8)"
        )
    if x.dtype.newbyteorder("=") not in INPUT_TYPES:
        raise HalfbyteError(
            f"{path}: {key} is {x.dtype}, expected uint8, int8 or int16; convert it, for example "
            f"{key}.astype(numpy.int16) where every value is in -32768 ... 32767"
        )
    if x.ndim < 2 or not x.size or len(x) != n:
        raise HalfbyteError(
            f"{path}: {key} has shape {x.shape}, expected ({n}, ...): as many items as {key.replace('x', 'y')}"
        )
    return np.ascontiguousarray(x.astype(x.dtype.newbyteorder("="), copy=False))


# Splits


def _select(data: Dataset, chosen: npt.NDArray[np.bool_]) -> Dataset:
    return Dataset(data.x[chosen], data.y[chosen], data.labels)


def _stratified(y: npt.NDArray[np.int64], fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which items belong to a random part of exactly round(n * fraction) items, each class with its share.  # (n,)

    Shares are rounded down and the items still due go to the classes that lost most (largest remainder); where those
    are equal, the seed decides.
    """
    total = round(len(y) * fraction)
    if not 0 < total < len(y):
        raise HalfbyteError(f"{len(y)} items cannot be split with a part of {fraction:.3g} held out; give more data")
    generator = np.random.Generator(np.random.PCG64(seed))
    order = generator.permutation(len(y))
    classes = generator.permutation(y.max() + 1)
    share = np.bincount(y)[classes] * total / len(y)
    due = np.floor(share).astype(np.int64)
    due[np.argsort(due - share, kind="stable")[: total - due.sum()]] += 1
    held = np.zeros(len(y), np.bool_)
    for label, count in zip(classes, due, strict=True):
        held[order[y[order] == label][:count]] = True
    return held


@cache
def _note(text: str) -> None:
    """Prints a line on stderr, once in a process."""
    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)
