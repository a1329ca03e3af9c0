# SPDX-License-Identifier: Apache-2.0
"""Random affine, elastic and erasing distortions of whole batches of integer images, on the device they lie on.

The sampling positions of a batch are one matrix product: every image has a row of coefficients for x and one for y,
and a fixed basis (column, row, one, and a few smooth bumps) turns them into a position for each pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from training.errors import HalfbyteError

BUMPS = 5  # bumps of the elastic field along each side of the image
IMAGE_TYPES = (torch.uint8, torch.int8, torch.int16)
ERASE_AREA = (0.02, 0.33)  # fraction of the image that an erased rectangle covers
ERASE_ASPECT = 3.3  # its height over its width is between 1/3.3 and 3.3


@dataclass(frozen=True)
class Augment:
    """How far a batch is distorted. Every range is centred on no change; 0 switches the distortion off.

    rotate     degrees, uniform in [-rotate, rotate]
    translate  fraction of the side, uniform in [-translate, translate], for x and y on their own
    scale      zoom, uniform in [1 - scale, 1 + scale]; 0 <= scale < 1
    shear      degrees, uniform in [-shear, shear], |shear| < 90
    elastic    pixels: standard deviation of the displacement of each pixel along x and along y
    erase      probability that a rectangle of an image is set to 0
    keep       probability that an image is left as it is
    """

    rotate: float = 0
    translate: float = 0
    scale: float = 0
    shear: float = 0
    elastic: float = 0
    erase: float = 0
    keep: float = 0

    def __post_init__(self) -> None:
        limits = {"rotate": 180, "translate": 1, "scale": 0.99, "shear": 89, "elastic": math.inf}
        limits |= {"erase": 1, "keep": 1}
        for key, limit in limits.items():
            value = getattr(self, key)
            if not 0 <= value <= limit or math.isinf(value):
                raise HalfbyteError(f"augment.{key} = {value} is out of range; use a number from 0 to {limit}")

    @property
    def warps(self) -> bool:
        """Whether pixels move."""
        return any((self.rotate, self.translate, self.scale, self.shear, self.elastic))


def augment(x: Tensor, settings: Augment, generator: torch.Generator) -> Tensor:
    """A distorted copy of a batch; the batch itself, not copied, where all settings are 0.

    x  (n, h, w) or (n, c, h, w), uint8, int8 or int16; the channels of an image move together. What comes in from
       beyond an edge is 0. Sampling is bilinear, rounded half up.

    The result depends only on x, the settings, the state of the generator and the device (CPU or CUDA).
    """
    if not settings.warps and not settings.erase:
        return x
    if x.ndim not in (3, 4) or x.dtype not in IMAGE_TYPES:
        raise HalfbyteError(
            f"augment works on integer images (n, h, w) or (n, c, h, w), got {x.dtype} of shape {tuple(x.shape)}: "
            "remove the [augment] settings of the recipe for this data"
        )
    if x.device.type == "cpu":
        keep_heap()
    y = x
    if settings.warps:
        y = warp(y, *_coefficients(settings, y.shape, y.device, generator))
    if settings.erase:
        y = erase(y, settings.erase, generator)
    if settings.keep:
        kept = torch.rand(x.shape[0], generator=generator, device=generator.device).to(x.device) < settings.keep
        y = torch.where(kept.view(-1, *[1] * (x.ndim - 1)), x, y)
    return y


def warp(x: Tensor, affine: Tensor, bumps: Tensor | None = None) -> Tensor:
    """Moves the pixels of every image: the output at position p is the input at affine(p) + bumps(p).

    x       (n, h, w) or (n, c, h, w), an integer type
    affine  (n, 2, 3): rows make the x and the y of the input position from (x, y, 1) of the output position, in
            pixels from the centre of the image, x to the right and y down
    bumps   (n, 2, BUMPS * BUMPS) amplitudes in pixels of the elastic field (Simard et al. 2003), or None
    """
    h, w = x.shape[-2:]
    coefficients = affine if bumps is None else torch.cat((affine, bumps), 2)  # (n, 2, k)
    to_unit = torch.tensor([2 / w, 2 / h], device=x.device)  # pixels from the centre -> [-1, 1]
    rows = (coefficients * to_unit[:, None]).flatten(0, 1)  # (n * 2, k)
    grid = (rows @ _basis(h, w, x.device)[: rows.shape[1]]).view(-1, 2, h, w).permute(0, 2, 3, 1)  # (n, h, w, 2)
    planes = x.reshape(x.shape[0], -1, h, w).float()  # (n, c, h, w)
    y = functional.grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False).add_(0.5)
    return (y.floor_() if x.dtype.is_signed else y).to(x.dtype).view(x.shape)


def erase(x: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Sets one rectangle to 0 in some images (random erasing, Zhong et al. 2017, with a constant).

    x  (n, ..., h, w); each image is hit with the given probability, on 2 to 33 % of its area, all channels alike.
    """
    h, w = x.shape[-2:]
    hit, area, aspect, top, left = torch.rand(5, x.shape[0], generator=generator, device=generator.device).to(x.device)
    area = (ERASE_AREA[0] + (ERASE_AREA[1] - ERASE_AREA[0]) * area) * (h * w)
    aspect = torch.exp((2 * aspect - 1) * math.log(ERASE_ASPECT))
    high = torch.sqrt(area * aspect).clamp(1, h)  # (n,) pixels
    wide = torch.sqrt(area / aspect).clamp(1, w)
    high = torch.where(hit < probability, high, 0)
    rows = _outside(top * (h - high), high, h).to(x.dtype)  # (n, h)
    cols = _outside(left * (w - wide), wide, w).to(x.dtype)  # (n, w)
    kept = rows[:, :, None] | cols[:, None, :]  # (n, h, w)
    return x * (kept if x.ndim == 3 else kept[:, None])


def affine_of(rotate: Tensor, zoom: Tensor, shear: Tensor, shift: Tensor) -> Tensor:
    """The map from output to input positions that turns, shears, zooms and shifts the picture.

    rotate  (n,) radians, counterclockwise as seen on the screen
    zoom    (n,) factor by which the picture grows
    shear   (n,) radians
    shift   (n, 2) pixels in the input, x and y

    Returns (n, 2, 3), as `warp` takes it.
    """
    sin, cos, tan = torch.sin(rotate), torch.cos(rotate), torch.tan(shear)
    turn = torch.stack((cos, cos * tan - sin, sin, sin * tan + cos), 1).view(-1, 2, 2)
    return torch.cat((turn / zoom[:, None, None], shift[:, :, None]), 2)


def _coefficients(
    settings: Augment, shape: torch.Size, device: torch.device, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Random `affine` and `bumps` for a batch of this shape, drawn on the generator's device."""
    n, h, w = shape[0], shape[-2], shape[-1]
    draws = torch.rand(n, 5, generator=generator, device=generator.device).to(device) * 2 - 1
    side = torch.tensor([w, h], device=device)
    affine = affine_of(
        draws[:, 0] * math.radians(settings.rotate),
        1 + draws[:, 1] * settings.scale,
        draws[:, 2] * math.radians(settings.shear),
        draws[:, 3:] * settings.translate * side,
    )
    if not settings.elastic:
        return affine, None
    bumps = torch.randn(n, 2, BUMPS * BUMPS, generator=generator, device=generator.device).to(device)
    return affine, bumps * settings.elastic


def _outside(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Which of the positions 0 ... size - 1 lie outside [start, start + length), both rounded.  # (n, size)"""
    at = torch.arange(size, device=start.device)
    first = torch.round(start)[:, None]
    return (at < first) | (at >= first + torch.round(length)[:, None])


@cache
def keep_heap() -> None:
    """Stops glibc from handing the buffers of a batch back to the system and faulting them in again for the next.

    Freeing one large block, never touched, raises the size up to which freed memory is kept (mallopt(3),
    M_MMAP_THRESHOLD); warping is three times as fast for it. Without effect on other C libraries.
    """
    torch.empty(31 << 20, dtype=torch.uint8)  # the threshold moves for blocks below 32 MiB only


@lru_cache(maxsize=16)
def _basis(h: int, w: int, device: torch.device) -> Tensor:
    """What a pixel's position is made of: x and y from the centre, 1, and the bumps.  # (3 + BUMPS^2, h * w)

    The bumps are Gaussians as wide as they are apart; scaled so that their squares add up to 1 at every pixel, they
    turn independent normal amplitudes into a smooth field of that deviation everywhere.
    """
    y = torch.arange(h, dtype=torch.float64) - (h - 1) / 2
    x = torch.arange(w, dtype=torch.float64) - (w - 1) / 2
    flat = (x.expand(h, w), y[:, None].expand(h, w), torch.ones(h, w, dtype=torch.float64))
    bumps = (_bumps(h)[:, None, :, None] * _bumps(w)[None, :, None, :]).flatten(0, 1)  # (BUMPS^2, h, w)
    bumps = bumps / bumps.square().sum(0).sqrt()
    return torch.cat((torch.stack(flat), bumps)).flatten(1).float().to(device)


def _bumps(size: int) -> Tensor:
    """BUMPS Gaussians whose centres divide a side of this many pixels evenly.  # (BUMPS, size)"""
    at = torch.linspace(0.5, BUMPS - 0.5, BUMPS, dtype=torch.float64)[:, None]
    pixel = (torch.arange(size, dtype=torch.float64) + 0.5) * BUMPS / size
    return torch.exp(-0.5 * (pixel - at).square())
