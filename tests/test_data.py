# SPDX-License-Identifier: Apache-2.0
"""Data sets: what the IDX reader, .npz files, the search order, the download and the splits do and refuse."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import struct
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from training import data, download, idx
from training.data import Dataset, load_test, load_train, split
from training.errors import HalfbyteError


def idx_bytes(array: npt.NDArray[Any], code: int = 0x08) -> bytes:
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + big_endian.tobytes()


def fake_images(n: int, first_label: int = 0, classes: int = 10) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    x = np.arange(n * 3 * 5, dtype=np.uint8).reshape(n, 3, 5)
    return x, (np.arange(n) % classes + first_label).astype(np.uint8)


def write_set(folder: Path, name: str, *, packed: bool = False, n: int = 40) -> None:
    """The four files of a registered set with made-up images, labels in the range it has."""
    entry = data.IDX_SETS[name]
    folder.mkdir(parents=True, exist_ok=True)
    arrays = fake_images(n, entry.first_label, len(entry.labels)) * 2
    for file, array in zip(entry.files, arrays, strict=True):
        content = idx_bytes(array)
        path = folder / (f"{file}.gz" if packed else file)
        path.write_bytes(gzip.compress(content, mtime=0) if packed else content)


def one_line(error: pytest.ExceptionInfo[HalfbyteError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's data, nor reaches the network."""
    monkeypatch.delenv("HALFBYTE_DATA", raising=False)
    monkeypatch.setattr(data, "_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(download, "_torchvision_datasets", _no_torchvision)


def _no_torchvision() -> None:
    raise HalfbyteError("torchvision is switched off in tests")


# IDX files


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("dtype", "code"), [("uint8", 0x08), ("int8", 0x09), ("int16", 0x0B)])
def test_an_idx_file_reads_back_plain_and_gzipped(tmp_path: Path, dtype: str, code: int, packed: bool) -> None:
    array = np.random.default_rng(0).integers(-128, 128, (4, 3, 2)).astype(dtype)
    content = idx_bytes(array, code)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    got = idx.read(path)
    assert got.dtype == np.dtype(dtype)
    assert np.array_equal(got, array)


GOOD = idx_bytes(np.arange(24, dtype=np.uint8).reshape(4, 3, 2))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "starts with nothing"),
        (b"<html>", "starts with 3c 68 74 6d"),
        (b"\0\0\x0d\x01" + bytes(8), "starts with 00 00 0d 01"),
        (b"\0\0\x08\0", "starts with 00 00 08 00"),
        (GOOD[:10], "inside its header"),
        (GOOD[:-1], "needs 40 bytes, it has 39"),
        (GOOD + b"\0", "needs 40 bytes, it has 41"),
        (gzip.compress(GOOD, mtime=0)[:-1], "gzip stream is broken"),
        (gzip.compress(GOOD, mtime=0)[:12], "gzip stream is broken"),
        (gzip.compress(GOOD, mtime=0)[:-5] + b"\xff" + gzip.compress(GOOD, mtime=0)[-4:], "gzip stream is broken"),
        (gzip.compress(GOOD, mtime=0)[:10] + b"\xff\xff\xff", "gzip stream is broken"),
    ],
)
def test_a_damaged_idx_file_is_refused_with_its_name_and_what_to_do(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(HalfbyteError) as error:
        idx.read(path)
    text = one_line(error)
    assert str(path) in text
    assert why in text
    assert "delete it and fetch it again" in text


def test_a_missing_idx_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HalfbyteError, match="nothere: cannot be read: No such file"):
        idx.read(tmp_path / "nothere")


# Registered sets


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", ["MNIST/raw", "MNIST", "."])
def test_a_set_is_found_in_torchvisions_layout_and_flat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str, packed: bool
) -> None:
    write_set(tmp_path / "own" / below, "mnist", packed=packed)
    assert data.find("mnist") is None
    monkeypatch.setenv("HALFBYTE_DATA", str(tmp_path / "own"))
    assert data.find("mnist") == tmp_path / "own" / below
    x, y = fake_images(40)
    train = load_train("mnist")
    assert np.array_equal(train.x, x)
    assert np.array_equal(train.y, y)
    assert train.y.dtype == np.int64
    assert train.labels == tuple("0123456789")


def test_the_environment_comes_before_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path / "cache/MNIST/raw", "mnist", n=20)
    assert len(load_test("mnist").y) == 20
    write_set(tmp_path / "own/MNIST/raw", "mnist", n=30)
    monkeypatch.setenv("HALFBYTE_DATA", str(tmp_path / "own"))
    assert len(load_test("mnist").y) == 30


def test_training_opens_no_test_file(tmp_path: Path) -> None:
    write_set(tmp_path / "cache/MNIST/raw", "mnist")
    for path in (tmp_path / "cache/MNIST/raw").glob("t10k*"):
        path.unlink()
    assert len(load_train("mnist").y) == 40
    with pytest.raises(HalfbyteError, match="t10k-images-idx3-ubyte"):
        load_test("mnist")


def test_emnist_letters_come_upright_and_counted_from_0(tmp_path: Path) -> None:
    write_set(tmp_path / "cache/EMNIST/raw", "emnist-letters", n=52)
    train = load_train("emnist-letters")
    stored, _ = fake_images(52)
    assert train.x.shape == (52, 5, 3)
    assert train.x[7, 4, 1] == stored[7, 1, 4]
    assert train.y[:3].tolist() == [0, 1, 2]
    assert train.labels[train.y[-1]] == "Z"


def test_a_label_out_of_range_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "cache/MNIST/raw"
    write_set(folder, "mnist")
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(40, 10, np.uint8)))
    with pytest.raises(HalfbyteError, match="train-labels-idx1-ubyte: has labels 10 to 10, mnist has 0 to 9"):
        load_train("mnist")


def test_images_and_labels_of_different_number_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "cache/MNIST/raw"
    write_set(folder, "mnist")
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(39, np.uint8)))
    with pytest.raises(HalfbyteError, match="do not belong together"):
        load_train("mnist")


def test_files_of_another_set_under_the_same_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, "fashion-mnist")
    labels = (tmp_path / "train-labels-idx1-ubyte").read_bytes()
    entry = data.IDX_SETS["fashion-mnist"]
    digests = (entry.sha256[0], hashlib.sha256(labels).hexdigest(), *entry.sha256[2:])
    monkeypatch.setitem(data.IDX_SETS, "fashion-mnist", replace(entry, sha256=digests))
    monkeypatch.setenv("HALFBYTE_DATA", str(tmp_path))
    with pytest.raises(HalfbyteError, match="belongs to fashion-mnist, not to mnist"):
        load_train("mnist")
    assert len(load_train("fashion-mnist").y) == 40


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(HalfbyteError, match=r"unknown data set 'minst'; use one of mnist, .*digits"):
        load_train("minst")


# Download


def test_missing_files_without_torchvision_say_where_to_put_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALFBYTE_DATA", str(tmp_path / "own"))
    with pytest.raises(HalfbyteError) as error:
        load_train("mnist")
    text = one_line(error)
    for part in (tmp_path / "own", tmp_path / "cache/MNIST/raw", *data.IDX_SETS["mnist"].files, "HALFBYTE_DATA"):
        assert str(part) in text


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (
            RuntimeError("operator torchvision::nms\ndoes not exist"),
            "operator torchvision::nms does not exist): its Linux",
        ),
        (OSError("libcudart.so.13: cannot open"), "libcudart.so.13: cannot open): its Linux"),
        (ModuleNotFoundError("No module named 'PIL'", name="PIL"), "No module named 'PIL'"),
        (ModuleNotFoundError("No module named 'torchvision'", name="torchvision"), "is not installed"),
    ],
)
def test_a_torchvision_that_cannot_be_imported_is_explained(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, said: str
) -> None:
    def broken(_name: str) -> None:
        raise raised

    monkeypatch.undo()
    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(HalfbyteError) as error:
        download.download("mnist", lambda _datasets, _root: None, {}, Path("never"))
    assert said in one_line(error)
    assert not Path("never").exists()


def test_a_download_is_checked_and_put_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use_torchvision_that_writes(monkeypatch, damage=False)
    assert len(load_train("mnist").y) == 40
    folder = tmp_path / "cache/MNIST/raw"
    assert sorted(path.name for path in folder.iterdir()) == sorted(data.IDX_SETS["mnist"].files)
    assert data.fetch("mnist") == folder


def test_a_download_with_a_wrong_checksum_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use_torchvision_that_writes(monkeypatch, damage=True)
    with pytest.raises(HalfbyteError) as error:
        load_train("mnist")
    assert "t10k-labels-idx1-ubyte has SHA-256" in one_line(error)
    assert list((tmp_path / "cache/MNIST/raw").iterdir()) == []


def test_a_download_without_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_root: str, download: bool) -> None:
        raise RuntimeError("Error downloading\ntrain-images-idx3-ubyte.gz")

    monkeypatch.setattr(download, "_torchvision_datasets", lambda: SimpleNamespace(MNIST=unreachable))
    with pytest.raises(HalfbyteError) as error:
        load_train("mnist")
    assert "the download failed (RuntimeError: Error downloading train-images-idx3-ubyte.gz)" in one_line(error)


def _use_torchvision_that_writes(monkeypatch: pytest.MonkeyPatch, *, damage: bool) -> None:
    """A stand-in for torchvision that makes the files of `write_set`, whose checksums become those of mnist."""
    entry = data.IDX_SETS["mnist"]
    x, y = (hashlib.sha256(idx_bytes(array)).hexdigest() for array in fake_images(40))
    monkeypatch.setitem(data.IDX_SETS, "mnist", replace(entry, sha256=(x, y, x, y)))

    def mnist(root: str, download: bool) -> None:
        assert download
        write_set(Path(root) / "MNIST/raw", "mnist")
        if damage:
            (Path(root) / "MNIST/raw/t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(40, np.uint8)))

    monkeypatch.setattr(download, "_torchvision_datasets", lambda: SimpleNamespace(MNIST=mnist))


# digits and .npz


def test_digits_are_there_without_files() -> None:
    train, test = load_train("digits"), load_test("digits")
    assert train.x.shape == (1438, 8, 8)
    assert test.x.shape == (359, 8, 8)
    assert train.x.dtype == np.uint8
    assert train.x.max() == 16
    assert abs(np.bincount(train.y) / 4 - np.bincount(test.y)).max() <= 1
    assert np.array_equal(load_test("digits").x, test.x)


@pytest.mark.parametrize(("dtype", "shape"), [("uint8", (6, 5)), ("int8", (7,)), ("int16", (3, 2, 2))])
def test_an_npz_with_its_own_test_set_is_taken_as_it_is(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    path = tmp_path / "my.npz"
    x, x_test = np.ones((6, *shape), dtype), np.zeros((2, *shape), dtype)
    np.savez_compressed(
        path, x=x, y=np.array([0, 1, 2] * 2, np.uint8), x_test=x_test, y_test=[2, 0], labels=["a", "b", "c"]
    )
    train, test = load_train(str(path)), load_test(str(path))
    assert train.x.dtype == np.dtype(dtype)
    assert np.array_equal(train.x, x)
    assert train.y.tolist() == [0, 1, 2, 0, 1, 2]
    assert np.array_equal(test.x, x_test)
    assert test.y.tolist() == [2, 0]
    assert train.labels == test.labels == ("a", "b", "c")
    assert data.find(str(path)) == path


def test_an_npz_without_a_test_set_has_a_sixth_held_out_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.npz"
    np.savez(path, x=np.arange(120, dtype=np.int16).reshape(60, 2), y=np.arange(60) % 2)
    train, test = load_train(str(path)), load_test(str(path))
    assert (len(train.y), len(test.y)) == (50, 10)
    assert sorted([*train.x[:, 0], *test.x[:, 0]]) == list(range(0, 120, 2))
    assert np.bincount(test.y).tolist() == [5, 5]
    assert (
        " ".join(capsys.readouterr().err.split()).count("my.npz has no x_test: a fixed sixth of x, 10 of 60 items") == 1
    )


X, Y = np.zeros((4, 2), np.uint8), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"X": X, "label": Y}, "has no x and no y, it has X, label"),
        ({"x": X}, "has no y, it has x"),
        ({"x": X, "y": Y, "x_test": X}, "has no y_test"),
        ({"x": X.astype(np.float32), "y": Y}, "x is float32, expected uint8, int8 or int16; scale it"),
        ({"x": X.astype(np.int64), "y": Y}, "x is int64, expected uint8, int8 or int16; convert it"),
        ({"x": X[:3], "y": Y}, r"x has shape \(3, 2\), expected \(4, ...\)"),
        ({"x": X[:, 0], "y": Y}, r"x has shape \(4,\), expected \(4, ...\)"),
        ({"x": X[:, :0], "y": Y}, r"x has shape \(4, 0\)"),
        ({"x": X[:0], "y": Y[:0]}, r"y has shape \(0,\)"),
        ({"x": X, "y": Y[:, None]}, r"y has shape \(4, 1\)"),
        ({"x": X, "y": Y.astype(float)}, "y is float64, expected integers"),
        ({"x": X, "y": Y - 1}, "y has values -1 to 0"),
        ({"x": X, "y": Y + 1}, "y has no item of class 0"),
        ({"x": X, "y": Y * 2}, "y has no item of class 1"),
        ({"x": X, "y": Y * 0}, "y has no item of class 1"),
        ({"x": X, "y": Y * 2**40}, "y has values 0 to 1099511627776"),
        ({"x": X, "y": Y, "labels": ["a"]}, r"labels has shape \(1,\), y has 2 classes"),
        ({"x": X, "y": Y, "x_test": X, "y_test": Y * 2}, "y_test has class 2, y has only 0 to 1"),
        ({"x": X, "y": Y, "x_test": X[:3], "y_test": Y}, "x_test has shape"),
        ({"x": np.array([{}] * 4), "y": Y}, "cannot be read as .npz"),
    ],
)
def test_a_wrong_npz_is_refused_with_the_key_and_what_to_do(tmp_path: Path, arrays: dict[str, Any], why: str) -> None:
    path = tmp_path / "my.npz"
    np.savez(path, **arrays)
    with pytest.raises(HalfbyteError, match=why) as error:
        load_test(str(path))
    assert one_line(error).startswith(f"{path}: ")


def test_a_damaged_or_missing_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "my.npz"
    with pytest.raises(HalfbyteError, match="no such file"):
        load_train(str(path))
    np.savez_compressed(path, x=X, y=Y)
    whole = path.read_bytes()
    for broken in (b"", b"hello", whole[:-30], whole[:60] + b"\xff" * 20 + whole[80:]):
        path.write_bytes(broken)
        with pytest.raises(HalfbyteError) as error:
            load_train(str(path))
        assert one_line(error).startswith(f"{path}: ")


# Splits


def numbered(y: npt.NDArray[np.int64]) -> Dataset:
    """Items that carry their own number, to see where they go."""
    return Dataset(np.arange(len(y), dtype=np.int16)[:, None], y, tuple(str(k) for k in range(y.max() + 1)))


@pytest.mark.parametrize("n", [13, 100, 1200, 6007])
def test_a_split_is_disjoint_complete_stratified_and_exact(n: int) -> None:
    whole = numbered(np.random.default_rng(n).permutation(np.arange(n) ** 2 % 7))
    train, validation = split(whole, seed=3)
    assert len(validation.y) == round(n / 12)
    assert sorted([*train.x[:, 0], *validation.x[:, 0]]) == list(range(n))
    for part in (train, validation):
        assert np.array_equal(part.y, whole.y[part.x[:, 0]])
        share = np.bincount(whole.y, minlength=7) * len(part.y) / n
        assert abs(np.bincount(part.y, minlength=7) - share).max() < 1


def test_a_split_is_made_by_its_seed() -> None:
    whole = numbered(np.arange(600) % 10)
    first, again, other = (split(whole, seed)[1].x[:, 0].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_too_few_items_cannot_be_split() -> None:
    with pytest.raises(HalfbyteError, match="3 items cannot be split"):
        split(numbered(np.array([0, 1, 0])), seed=0)


# The real files


@pytest.mark.parametrize(
    ("name", "n_train", "n_test"),
    [("mnist", 60000, 10000), ("fashion-mnist", 60000, 10000), ("emnist-letters", 124800, 20800)],
)
def test_the_real_set_has_its_published_checksums_and_splits(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, name: str, n_train: int, n_test: int
) -> None:
    monkeypatch.undo()
    folder = data.find(name)
    if folder is None:
        pytest.skip(
            f"NO DATA: {name} is neither in $HALFBYTE_DATA nor in the cache, {request.node.name} checked nothing"
        )
    entry = data.IDX_SETS[name]
    for file, digest in zip(entry.files, entry.sha256, strict=True):
        path = data._existing(folder, file)
        assert path is not None
        assert hashlib.sha256(idx.content(path)).hexdigest() == digest
    train, test = load_train(name), load_test(name)
    assert (train.x.shape, test.x.shape) == ((n_train, 28, 28), (n_test, 28, 28))
    assert len(split(train, 0)[1].y) == n_train // 12


def test_real_emnist_letters_stand_upright(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if data.find("emnist-letters") is None:
        pytest.skip("NO DATA: emnist-letters is neither in $HALFBYTE_DATA nor in the cache, nothing was checked")
    test = load_test("emnist-letters")
    ink = {label: test.x[test.y == k].mean(0) for k, label in enumerate(test.labels)}
    assert ink["L"][20:24].sum() > 1.5 * ink["L"][4:8].sum()  # its foot is at the bottom
    assert ink["I"].sum(0).max() > 2 * ink["I"].sum(1).max()  # it stands
