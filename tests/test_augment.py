# SPDX-License-Identifier: Apache-2.0
"""Augmentation: what each distortion does to an image, that the generator decides all of it, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from training.augment import BUMPS, Augment, affine_of, augment, erase, warp
from training.errors import HalfbyteError

ALL = Augment(rotate=15, translate=0.1, scale=0.1, shear=10, elastic=1.0, erase=0.5)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, dtype: torch.dtype = torch.uint8) -> Tensor:
    low, high = (0, 256) if dtype == torch.uint8 else (-128, 128)
    return torch.randint(low, high, shape, generator=generator(7)).to(dtype)


def fixed(n: int, degrees: float = 0, zoom: float = 1, shear: float = 0, shift: tuple[float, float] = (0, 0)) -> Tensor:
    """The same affine map for every image of a batch."""
    one = torch.ones(n)
    angle, slant = math.radians(degrees), math.radians(shear)
    return affine_of(one * angle, one * zoom, one * slant, one[:, None] * torch.tensor(shift))


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 8, 5), (2, 3, 8, 5)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16])
def test_the_identity_map_changes_nothing(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = noise(*shape, dtype=dtype)
    y = warp(x, fixed(shape[0]), torch.zeros(shape[0], 2, BUMPS * BUMPS))
    assert y.dtype == dtype
    assert torch.equal(y, x)


@pytest.mark.parametrize("quarters", [1, 2, 3, -1])
def test_quarter_turns_equal_rot90(quarters: int) -> None:
    x = noise(4, 28, 28)
    assert torch.equal(warp(x, fixed(4, degrees=90 * quarters)), torch.rot90(x, quarters, (1, 2)))


def test_a_shift_moves_whole_pixels_and_brings_in_zeros() -> None:
    x = noise(2, 6, 9)
    y = warp(x, fixed(2, shift=(2, -1)))
    assert torch.equal(y[:, 1:, :-2], x[:, :-1, 2:])
    assert not y[:, 0].any()
    assert not y[:, :, -2:].any()


def test_half_a_pixel_is_the_mean_rounded_half_up() -> None:
    for dtype, expected in ((torch.uint8, [11, 15]), (torch.int16, [-10, -15])):
        sign = 1 if dtype == torch.uint8 else -1
        x = (sign * torch.tensor([[[10, 11, 19]]])).to(dtype)
        assert warp(x, fixed(1, shift=(0.5, 0)))[0, 0, :2].tolist() == expected


def test_zoom_2_doubles_every_pixel_of_the_middle() -> None:
    x = torch.zeros(1, 8, 8, dtype=torch.uint8)
    x[0, 2:6, 2:6] = 200
    assert (warp(x, fixed(1, zoom=2))[0, 1:7, 1:7] == 200).all()
    assert int(warp(x, fixed(1, zoom=0.5)).float().sum()) == 4 * 200


def test_shear_leans_an_upright_line() -> None:
    x = torch.zeros(1, 9, 9, dtype=torch.uint8)
    x[0, :, 4] = 100
    y = warp(x, fixed(1, shear=45))[0]
    assert torch.equal(y, 100 * torch.eye(9, dtype=torch.uint8).flip(1))


def test_the_elastic_field_has_its_deviation_at_every_pixel_and_is_smooth() -> None:
    n, size = 4000, 12
    ramp = (torch.arange(size) * 100).to(torch.int16).expand(n, size, size).contiguous()  # 100 levels to a pixel
    y = augment(ramp, Augment(elastic=0.5), generator())
    moved = (y - ramp)[:, 3:9, 3:9].float() / 100
    assert moved.std(0).sub(0.5).abs().max() < 0.03
    assert moved.diff(dim=1).std() < 0.5 * moved.std()


@pytest.mark.parametrize(
    "settings",
    [
        ALL,
        Augment(rotate=5),
        Augment(translate=0.2),
        Augment(scale=0.2),
        Augment(shear=9),
        Augment(elastic=1),
        Augment(erase=1),
    ],
)
@pytest.mark.parametrize("shape", [(6, 16, 16), (6, 2, 10, 14)])
def test_every_setting_alone_changes_images_and_the_generator_decides_how(
    settings: Augment, shape: tuple[int, ...]
) -> None:
    x = noise(*shape)
    before = x.clone()
    first, again, other = (augment(x, settings, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, x)
    assert torch.equal(x, before)
    assert (first.dtype, first.shape) == (x.dtype, x.shape)
    assert not torch.equal(first[0] - x[0], first[1] - x[1])


def test_one_generator_goes_on_from_batch_to_batch() -> None:
    x, source = noise(4, 8, 8), generator()
    assert not torch.equal(augment(x, ALL, source), augment(x, ALL, source))


def test_channels_of_an_image_move_together() -> None:
    x = noise(5, 1, 9, 9).expand(5, 3, 9, 9)
    y = augment(x, ALL, generator())
    assert torch.equal(y[:, 0], y[:, 1])
    assert torch.equal(y[:, 0], y[:, 2])


def test_bright_images_do_not_wrap_around() -> None:
    x = torch.full((64, 28, 28), 255, dtype=torch.uint8)
    y = augment(x, Augment(rotate=20, elastic=2), generator())
    assert y[:, 12:16, 12:16].min() == 255


def test_random_angles_fill_their_range() -> None:
    x = torch.zeros(500, 41, 41, dtype=torch.uint8)
    x[:, 20, 36] = 255  # a point 16 pixels to the right of the centre
    y = augment(x, Augment(rotate=30), generator()).float()
    rows = (y.sum(2) * torch.arange(41)).sum(1) / y.sum((1, 2)) - 20
    cols = (y.sum(1) * torch.arange(41)).sum(1) / y.sum((1, 2)) - 20
    degrees = torch.rad2deg(torch.atan2(-rows, cols))
    assert -33 < degrees.min() < -27
    assert 27 < degrees.max() < 33
    assert degrees.mean().abs() < 3


def test_erasing_hits_its_share_of_images_with_one_rectangle() -> None:
    x = torch.full((2000, 20, 16), 9, dtype=torch.uint8)
    gone = erase(x, 0.3, generator()) == 0
    hit = gone.any(2).any(1)
    assert abs(hit.float().mean() - 0.3) < 0.04
    rows, cols = gone[hit].any(2), gone[hit].any(1)
    assert torch.equal(gone[hit], rows[:, :, None] & cols[:, None, :])
    assert (rows.float().diff(dim=1, prepend=torch.zeros(len(rows), 1)) > 0).sum(1).max() == 1
    area = gone[hit].float().mean((1, 2))
    assert 0 < area.min() < 0.05
    assert 0.28 < area.max() < 0.4
    assert gone.any(0).all()


def test_no_settings_return_the_batch_itself() -> None:
    for x in (noise(3, 8, 8), noise(3, 50), noise(3, 8, 8).float()):
        assert augment(x, Augment(), generator()) is x


@pytest.mark.parametrize("x", [noise(3, 50), noise(3, 8, 8).float(), noise(1, 1, 1, 1, 1)])
def test_what_is_no_integer_image_is_refused(x: Tensor) -> None:
    with pytest.raises(HalfbyteError, match=r"integer images \(n, h, w\)") as error:
        augment(x, ALL, generator())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("rotate", -1), ("scale", 1), ("erase", 1.5), ("elastic", math.inf), ("shear", 90), ("rotate", math.nan)],
)
def test_a_setting_out_of_range_is_named(key: str, value: float) -> None:
    with pytest.raises(HalfbyteError, match=f"augment.{key} = {value} is out of range"):
        Augment(**{key: value})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_nearly_the_same_as_the_cpu() -> None:
    x = noise(64, 28, 28)
    there = augment(x.cuda(), ALL, generator()).cpu()
    assert (there.float() - augment(x, ALL, generator()).float()).abs().max() <= 1
    own = torch.Generator("cuda").manual_seed(0)
    assert augment(x.cuda(), ALL, own).device.type == "cuda"
