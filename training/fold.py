# SPDX-License-Identifier: Apache-2.0
"""Real gain and offset of a channel -> the integers of `mulshift` (SPEC 5.4)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.errors import HalfbyteError

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

M_MAX = 2**15 - 1
SUM_MAX = 2**31 - 1
S_MAX = 31


def fold_mulshift(gain: Float, offset: Float, acc_max: Float, lo: int, hi: int) -> tuple[Int, Int, Int]:
    """m, b, s of every channel so that (acc * m + b) >> s is gain * acc + offset rounded, provably in 32 bits.

    gain, offset  real function of each channel, in units of output activations  # (n,)
    acc_max       largest |acc| each channel can reach  # (n,)

    HalfbyteError names the first channel for which no shift fits.
    """
    reach = np.abs(gain) * acc_max
    offset = np.clip(offset, lo - 1 - reach, hi + 1 + reach)
    shifts = np.arange(S_MAX + 1)[:, None]  # (32, 1) against channels (n,)
    m = np.floor(gain * 2.0**shifts + 0.5)
    b = np.floor(offset * 2.0**shifts + 0.5) + (2**shifts >> 1)
    fits = (np.abs(m) <= M_MAX) & (acc_max * np.abs(m) + np.abs(b) <= SUM_MAX)  # (32, n)
    if not fits.any(axis=0).all():
        channel = int(np.argmin(fits.any(axis=0)))
        raise HalfbyteError(
            f"channel {channel}: gain {gain[channel]:.4g} with |sum| up to {acc_max[channel]:.0f} "
            "needs more than 32 bits; make the layer narrower or its gain smaller"
        )
    s = S_MAX - np.argmax(fits[::-1], axis=0)  # the largest shift that fits
    channels = np.arange(len(gain))
    return m[s, channels].astype(np.int64), b[s, channels].astype(np.int64), s
