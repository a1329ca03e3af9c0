# SPDX-License-Identifier: Apache-2.0
"""The requantizers of SPEC 5.2-5.4: PyTorch's eval() == the NumPy reference == Python's own integers; and the fold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import ranges, seeds, sums
from support import INT32, RANGES, integers

from exporter import ops
from training import requant
from training.errors import HalfbyteError
from training.fold import fold_mulshift
from training.requant import maxshift_exponent

BITS = {127: 8, 15: 4}


def clamp(v: int, lo: int, hi: int) -> int:
    return min(max(v, lo), hi)


def round_shift(v: int, s: int) -> int:
    return (v + ((1 << s) >> 1)) >> s


def naive_maxshift(acc: list[int], lo: int, hi: int) -> list[int]:
    m = max(max(v, 0) if lo == 0 else abs(v) for v in acc)
    s = 0
    while m >> s > hi:
        s += 1
    return [clamp(round_shift(v, s), lo, hi) for v in acc]


def torch_run(module: requant.Requant, acc: np.ndarray) -> list[int]:
    return integers(module.eval()(torch.tensor(acc, dtype=torch.float64)[None], torch.zeros(len(acc))))[0].tolist()


def reference_run(op: ops.Op, acc: np.ndarray) -> list[int]:
    return op.reference(acc[None])[0].tolist()


def near_powers_of_two(bits: int = 30) -> np.ndarray:
    return np.asarray([sign * ((1 << k) + d) for k in range(bits) for d in (-1, 0, 1) for sign in (1, -1)])


@given(sums(), ranges)
def test_maxshift_is_the_same_three_times(acc, limits):
    lo, hi = limits
    expected = naive_maxshift(acc.tolist(), lo, hi)
    assert reference_run(ops.MaxShift(lo, hi), acc) == expected
    assert torch_run(requant.MaxShift(len(acc), bits=BITS[hi], signed=lo < 0), acc) == expected


@pytest.mark.parametrize(("lo", "hi"), RANGES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_exponent_of_maxshift_is_right_on_both_sides_of_every_power_of_two(lo, hi, dtype):
    del lo
    m = np.unique(np.maximum(near_powers_of_two(24 if dtype == torch.float32 else 31), 0))
    expected = [next(s for s in range(32) if v >> s <= hi) for v in m.tolist()]
    assert maxshift_exponent(torch.tensor(m, dtype=dtype), hi).tolist() == expected
    assert ops.MaxShift(0, hi).exponent(m).tolist() == expected


@pytest.mark.parametrize(("lo", "hi"), RANGES)
def test_maxshift_scales_every_sample_on_its_own_and_to_its_own_maximum(lo, hi):
    acc = near_powers_of_two().reshape(-1, 1) * np.asarray([[1, -1, 0]])
    module = requant.MaxShift(3, bits=BITS[hi], signed=lo < 0).eval()
    found = integers(module(torch.tensor(acc, dtype=torch.float64), None))
    assert found.tolist() == [naive_maxshift(row, lo, hi) for row in acc.tolist()]
    assert np.array_equal(found, ops.MaxShift(lo, hi).reference(acc))
    assert found.min() >= lo
    assert found.max() == hi


def test_maxshift_of_a_tensor_of_zeros_is_zeros():
    for lo, hi in RANGES:
        assert torch_run(requant.MaxShift(3, bits=BITS[hi], signed=lo < 0), np.zeros(3)) == [0, 0, 0]


@given(sums(29), ranges, st.integers(0, 31), seeds)
def test_shift_is_the_same_three_times(acc, limits, s, seed):
    lo, hi = limits
    mantissa = np.random.default_rng(seed).integers(-(2**23), 2**23, len(acc))
    b = mantissa << np.random.default_rng(seed).integers(0, 6, len(acc))  # what float32 can hold
    module = requant.Shift(len(acc), typical=1.0, bits=BITS[hi], signed=lo < 0)
    module.running_max.fill_(0.75 * (hi + 1) * 2.0**s)
    module.bias.data.copy_(torch.tensor(b * 2.0**-s))
    assert module.exponent() == s
    assert integers(module.bias_integers()).tolist() == b.tolist()
    expected = [clamp(round_shift(a + c, s), lo, hi) for a, c in zip(acc.tolist(), b.tolist(), strict=True)]
    assert reference_run(ops.Shift(s, lo, hi, b), acc) == expected
    assert torch_run(module, acc) == expected


@given(sums(), ranges, seeds)
def test_mulshift_is_the_same_three_times(acc, limits, seed):
    lo, hi = limits
    rng = np.random.default_rng(seed)
    m = rng.choice([0, 1, -1, 32767, -32767, *rng.integers(-32767, 32768, 4)], len(acc))
    acc = np.clip(acc, -(2**30) // np.maximum(np.abs(m), 1), 2**30 // np.maximum(np.abs(m), 1))
    b = rng.choice([0, 2**30, -(2**30), *rng.integers(-(2**30), 2**30, 4)], len(acc))
    s = rng.integers(0, 32, len(acc))
    rows = zip(acc.tolist(), m.tolist(), b.tolist(), s.tolist(), strict=True)
    expected = [clamp((a * k + c) >> shift, lo, hi) for a, k, c, shift in rows]
    assert reference_run(ops.MulShift(lo, hi, m, b, s), acc) == expected
    module = requant.MulShift(len(acc), typical=1.0, bits=BITS[hi], signed=lo < 0)
    module.constants = lambda _: (m, b, s)
    assert torch_run(module, acc) == expected


@pytest.mark.parametrize(("lo", "hi"), RANGES)
def test_mulshift_with_a_multiplier_of_0_gives_its_offset_for_every_sum(lo, hi):
    offset = np.asarray([-1000.0, -3.5, -3.4, 0.0, 0.49, 0.5, 7.0, 1e9])
    m, b, s = fold_mulshift(np.zeros(8), offset, np.full(8, 1e6), lo, hi)
    expected = [clamp(math.floor(v + 0.5), lo, hi) for v in offset.tolist()]
    for acc in (-(10**6), 0, 10**6):
        assert reference_run(ops.MulShift(lo, hi, m, b, s), np.full(8, acc)) == expected


def naive_fold(gain: float, offset: float, a: int, lo: int, hi: int) -> tuple[int, int, int] | None:
    """SPEC 5.4 for one channel."""
    reach = abs(gain) * a
    offset = clamp(offset, lo - 1 - reach, hi + 1 + reach)
    for s in range(31, -1, -1):
        if abs(gain) * 2.0**s > 2**40:
            continue
        m = math.floor(gain * 2.0**s + 0.5)
        b = math.floor(offset * 2.0**s + 0.5) + ((1 << s) >> 1)
        if abs(m) <= 32767 and a * abs(m) + abs(b) <= INT32[1]:
            return m, b, s
    return None


_gains = st.one_of(
    st.just(0.0),
    st.builds(lambda sign, e, f: sign * f * 2.0**e, st.sampled_from([1, -1]), st.integers(-60, 16), st.floats(1, 2)),
)
_offsets = st.floats(-1e12, 1e12) | st.floats(-300, 300)


@given(_gains, _offsets, st.integers(0, 300 * 127 * 128), ranges)
def test_the_fold_takes_the_largest_shift_that_provably_fits_32_bits(gain, offset, a, limits):
    expected = naive_fold(gain, offset, a, *limits)
    arrays = np.asarray([gain]), np.asarray([offset]), np.asarray([float(a)])
    if expected is None:
        with pytest.raises(HalfbyteError, match="channel 0"):
            fold_mulshift(*arrays, *limits)
        return
    (m,), (b,), (s,) = fold_mulshift(*arrays, *limits)
    assert (m, b, s) == expected
    for acc in (-a, 0, a):
        assert INT32[0] <= acc * int(m) <= INT32[1]
        assert INT32[0] <= acc * int(m) + int(b) <= INT32[1]


@given(_gains, st.floats(-64, 64), st.integers(1, 300 * 127 * 128), ranges, seeds)
def test_where_m_has_8_bits_the_integers_are_within_1_of_the_real_function(gain, offset, a, limits, seed):
    lo, hi = limits
    assume(naive_fold(gain, offset, a, lo, hi) is not None)
    m, b, s = fold_mulshift(np.asarray([gain]), np.asarray([offset]), np.asarray([float(a)]), lo, hi)
    assume(abs(m[0]) >= 128)
    acc = np.random.default_rng(seed).integers(-a, a + 1, (200, 1))
    acc = np.concatenate([acc, [[-a], [0], [a]], np.clip(np.arange(-200, 200), -a, a)[:, None]])
    real = np.clip(np.floor(gain * acc + offset + 0.5), lo, hi)
    assert np.abs(ops.MulShift(lo, hi, m, b, s).reference(acc) - real).max() <= 1


@pytest.mark.parametrize(
    ("gain", "offset"), [(1e5, 0.0), (-1e5, 0.0), (1e300, 0.0), (np.inf, 0.0), (np.nan, 0.0), (1.0, np.nan)]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_gain_that_no_shift_can_hold_is_refused_with_its_channel(gain, offset):
    gains, offsets = np.asarray([1.0, 0.5, gain]), np.asarray([0.0, 0.0, offset])
    with pytest.raises(HalfbyteError, match=r"^channel 2: gain .* needs more than 32 bits; make the layer narrower"):
        fold_mulshift(gains, offsets, np.full(3, 1e4), 0, 127)


def test_the_fold_of_tiny_gains_and_of_inputs_that_are_always_0_is_harmless():
    m, b, s = fold_mulshift(np.asarray([1e-30, 5.0, 0.0]), np.zeros(3), np.asarray([1e6, 0.0, 0.0]), 0, 127)
    assert m[0] == 0
    assert (np.abs(b) <= INT32[1]).all()
    assert ops.MulShift(0, 127, m, b, s).reference(np.zeros((1, 3), np.int64)).tolist() == [[0, 0, 0]]


def test_batch_norm_folds_to_within_1_of_what_torch_normalizes_to():
    torch.manual_seed(0)
    module = requant.MulShift(6, typical=50.0, norm="batch", signed=True)
    acc = torch.randint(-3000, 3000, (400, 6)).double()
    with torch.no_grad():
        module.gamma.copy_(torch.linspace(-2, 2, 6))
        module.beta.copy_(torch.linspace(1, -1, 6))
        module.mean.copy_(acc.mean(0))
        module.variance.copy_(acc.var(0))
    norm = torch.nn.functional.batch_norm(acc, *(v.double() for v in (module.mean, module.variance)))
    real = (norm * module.gamma + module.beta) * 127 / 4
    expected = torch.floor(real + 0.5).clamp(-127, 127)
    found = module.eval()(acc, torch.full((6,), 3000.0).double())
    assert (found - expected).abs().max() <= 1
