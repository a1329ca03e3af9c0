# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what is saved comes back to the bit, what is damaged is one line, what fails leaves nothing behind."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from support import network, one_line

from training import checkpoint, files
from training.errors import HalfbyteError
from training.layers import freeze_clip


@pytest.fixture
def saved(tmp_path) -> Path:
    path = tmp_path / "run" / "checkpoint.safetensors"
    checkpoint.save(path, network(8, 5, 3, requant="shift").state_dict(), {"labels": ["a", "b", "c"], "epoch": 3})
    return path


def damaged(path: Path, message: str) -> None:
    with pytest.raises(HalfbyteError, match=message) as caught:
        checkpoint.load(path)
    assert one_line(str(caught.value))
    assert str(path) in str(caught.value)


def test_tensors_and_metadata_come_back_as_they_were(saved):
    tensors, metadata = checkpoint.load(saved)
    assert metadata == {"spec": 1, "labels": ["a", "b", "c"], "epoch": 3}
    model = network(8, 5, 3, requant="shift")
    checkpoint.restore(model, tensors, saved)
    assert not model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, tensors[name])


def test_saving_twice_makes_equal_files(saved, tmp_path):
    tensors, metadata = checkpoint.load(saved)
    del metadata["spec"]
    checkpoint.save(tmp_path / "again.safetensors", tensors, metadata)
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("frozen", [False, True])
def test_a_restored_network_has_the_saved_clip_scales_even_where_they_no_longer_fit_the_weights(tmp_path, frozen):
    model = network(8, 5, 3).train()
    if frozen:
        freeze_clip(model)
    model.eval()
    with torch.no_grad():
        model.fc1.weight.mul_(torch.linspace(0.1, 4, 40).view(5, 8))
    checkpoint.save(tmp_path / "c.safetensors", model.state_dict(), {})
    again = network(8, 5, 3).train()
    checkpoint.restore(again, checkpoint.load(tmp_path / "c.safetensors")[0], tmp_path)
    again.eval()
    assert torch.equal(again.fc1.levels(), model.fc1.levels())
    again.train().eval()
    assert torch.equal(again.fc1.clip_scale, model.fc1.clip_scale) == frozen


def test_a_file_cut_anywhere_is_damaged(saved):
    whole = saved.read_bytes()
    for length in [*range(40), *range(40, len(whole), 97), len(whole) - 1]:
        saved.write_bytes(whole[:length])
        damaged(saved, "damaged or not a checkpoint")


def test_a_flipped_bit_anywhere_is_noticed(saved):
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    places = [*range(0, len(whole) * 8, 61), *rng.integers(0, len(whole) * 8, 300).tolist()]
    for place in places:
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        saved.write_bytes(content)
        with pytest.raises(HalfbyteError) as caught:
            checkpoint.load(saved)
        assert str(saved) in str(caught.value)


def test_bytes_behind_the_end_are_noticed(saved):
    saved.write_bytes(saved.read_bytes() + b"\0")
    damaged(saved, "damaged or not a checkpoint")


def test_a_foreign_safetensors_file_is_no_checkpoint(tmp_path):
    path = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path, {"format": "pt"})
    damaged(path, "a safetensors file, but not a checkpoint of halfbyte")
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path)
    damaged(path, "a safetensors file, but not a checkpoint of halfbyte")


class Dangerous:
    """What a pickle could do."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_a_pickle_is_never_loaded(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(pickle.dumps(Dangerous()))
    damaged(path, "damaged or not a checkpoint")
    torch.save({"weight": torch.zeros(3)}, path)
    damaged(path, "damaged or not a checkpoint")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\0" * 8, b"\xff" * 64, b"PK\x03\x04", b"not a checkpoint at all, sorry"]
)
def test_any_other_file_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(content)
    damaged(path, "damaged or not a checkpoint")


def test_a_missing_file_says_how_to_make_it_and_a_folder_is_none(tmp_path):
    damaged(tmp_path / "none.safetensors", "does not exist; make it with: halfbyte train")
    damaged(tmp_path, "damaged or not a checkpoint")


def test_another_spec_version_says_to_train_again(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SPEC_VERSION", 2)
    checkpoint.save(tmp_path / "c.safetensors", {"w": torch.zeros(1)}, {})
    monkeypatch.undo()
    damaged(tmp_path / "c.safetensors", "made for spec version 2, this is 1; train again")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("fc1.weight"), "tensor 'fc1.weight' is missing from the checkpoint"),
        (lambda t: t.update(extra=torch.zeros(1)), "tensor 'extra' is unknown in the checkpoint"),
        (lambda t: t.update({"fc1.weight": torch.zeros(5, 9)}), r"'fc1.weight' has shape \(5, 9\), the recipe's model"),
        (lambda t: t["fc1.weight"].fill_(float("nan")), "tensor 'fc1.weight' has values that are not finite"),
    ],
)
def test_tensors_of_another_network_are_refused_by_name_and_nothing_is_loaded(saved, change, message):
    tensors, _ = checkpoint.load(saved)
    change(tensors)
    model = network(8, 5, 3, requant="shift")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(HalfbyteError, match=message):
        checkpoint.restore(model, tensors, saved)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def interrupted(path: Path) -> None:
    path.write_text("new")
    raise KeyboardInterrupt


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_write_that_fails_leaves_the_old_file_and_no_other(saved, monkeypatch):
    before = saved.read_bytes()

    write = Path.write_bytes

    def full_disk(path, content):
        write(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(saved, {"w": torch.zeros(1)}, {})
    assert saved.read_bytes() == before
    assert names(saved.parent) == [saved.name]


def test_an_interrupt_while_writing_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), files.replacing(path) as temporary:
        interrupted(temporary)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_text_that_is_already_there_is_not_written_again(tmp_path):
    path = tmp_path / "deep" / "er" / "a.txt"
    files.write_text(path, "text")
    before = path.stat().st_mtime_ns, path.stat().st_ino
    files.write_text(path, "text")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    files.write_text(path, "other")
    assert path.read_text() == "other"


def test_optimizer_state_goes_flat_into_a_file_and_comes_back(tmp_path):
    state = {0: {"step": 7, "momentum": torch.arange(4.0)}, 11: {"step": torch.tensor(2.0)}}
    flat = checkpoint.flatten("optimizer1", state)
    checkpoint.save(tmp_path / "c.safetensors", flat, {})
    again = checkpoint.unflatten_state(checkpoint.load(tmp_path / "c.safetensors")[0], "optimizer1")
    assert set(again) == {0, 11}
    assert int(again[0]["step"]) == 7
    assert torch.equal(again[0]["momentum"], torch.arange(4.0))
