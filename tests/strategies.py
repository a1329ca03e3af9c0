# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies: formats, matrices of levels, sums, seeds of random networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from training.formats import FORMATS

if TYPE_CHECKING:
    from training.formats import Format

formats = st.sampled_from(list(FORMATS.values()))
ranges = st.sampled_from([(0, 127), (-127, 127), (0, 15), (-15, 15)])
seeds = st.integers(0, 2**32 - 1)


@st.composite
def level_matrices(draw: st.DrawFn, max_out: int = 4, max_in: int = 70) -> tuple[Format, np.ndarray]:
    """A format and a matrix of its levels, some of them all the lowest or all the highest."""
    fmt = draw(formats)
    shape = draw(st.tuples(st.integers(1, max_out), st.integers(1, max_in)))
    rng = np.random.default_rng(draw(seeds))
    levels = rng.choice(np.asarray(fmt.levels), shape)
    levels[0] = draw(st.sampled_from([levels[0], levels[0] * 0 + fmt.levels[0], levels[0] * 0 + fmt.levels[-1]]))
    return fmt, levels


@st.composite
def sums(draw: st.DrawFn, bits: int = 30, max_n: int = 12) -> np.ndarray:
    """Sums of all sizes: powers of two and their neighbours more often than chance would have them.  # (n,) int64"""
    near = st.builds(lambda k, d, sign: sign * ((1 << k) + d), st.integers(0, bits - 1), st.integers(-1, 1), _signs)
    anything = st.integers(-(2**bits), 2**bits)
    return np.asarray(draw(st.lists(near | anything | st.integers(-300, 300), min_size=1, max_size=max_n)), np.int64)


_signs = st.sampled_from([-1, 1])
