"""Samples of records, and gradients clipped in integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrain.neural.sampling import clipped_sample
from fedtrain.neural.sampling.clipped_sample import clipped, sampled


def longest(clip: float, bits: int) -> int:
    return math.floor((Fraction(clip) * (1 << bits)) ** 2)


@settings(max_examples=100, deadline=None)
@given(
    clip=st.floats(1e-2, 100),
    bits=st.integers(8, 22),
    scale=st.floats(1e-6, 1e6),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_example_is_longer_than_the_clip_in_integers(clip: float, bits: int, scale: float, seed: int) -> None:
    gradients = np.random.default_rng(seed).normal(size=(5, 7)) * scale
    found = clipped(gradients, clip, bits)
    for given_, row in zip(gradients, found.tolist(), strict=True):
        length = float(np.linalg.norm(given_))
        assert sum(value * value for value in row) <= longest(clip, bits)
        # What it becomes is the clipped gradient, rounded towards zero.
        expected = given_ * min(1.0, clip / length) * 2.0**bits
        assert (np.abs(np.array(row) - expected) <= 1 + 1e-6 * np.abs(expected)).all()
        assert (np.abs(row) <= np.abs(expected) * (1 + 1e-9)).all()


def test_what_is_longer_all_the_same_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengths in integers are what counts: a clip in floating point that is wrong lets nothing through."""
    monkeypatch.setattr(clipped_sample, "_BELOW_CLIP", 1.001)
    gradients = np.array([[3.0, 4.0], [0.3, 0.4]])
    assert clipped(gradients, 1.0, 16).tolist() == [[0, 0], [math.trunc(0.3 * 2**16), math.trunc(0.4 * 2**16)]]


@pytest.mark.parametrize("spoilt", [math.nan, math.inf, -math.inf, 1e200])
def test_a_gradient_that_is_no_number_counts_for_nothing_and_spoils_no_other(spoilt: float) -> None:
    gradients = np.array([[0.5, spoilt], [0.25, -0.25]])
    assert clipped(gradients, 1.0, 8).tolist() == [[0, 0], [64, -64]]


def test_each_record_is_in_a_sample_by_itself_with_the_rate() -> None:
    rate, rows, rounds = 0.1, 200, 500
    draws = np.array([sampled(rate, rows, number.to_bytes(32, "big")) for number in range(rounds)])
    assert draws.dtype == np.bool_
    # Seeds are fixed, and so is the outcome: within four standard deviations of a binomial.
    spread = math.sqrt(rows * rounds * rate * (1 - rate))
    assert abs(draws.sum() - rows * rounds * rate) < 4 * spread
    sizes = draws.sum(axis=1)
    assert 0.8 < sizes.var() / (rows * rate * (1 - rate)) < 1.2  # the size of a sample varies, as Poisson's does
    pairs = np.corrcoef(draws[:, 0], draws[:, 1])[0, 1]
    assert abs(pairs) < 4 / math.sqrt(rounds)


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_any_other() -> None:
    first = sampled(0.5, 100, b"a" * 32)
    assert np.array_equal(first, sampled(0.5, 100, b"a" * 32))
    assert not np.array_equal(first, sampled(0.5, 100, b"b" * 32))
    # More records change nothing about those before them.
    assert np.array_equal(first, sampled(0.5, 200, b"a" * 32)[:100])
    assert sampled(1.0, 3, b"a" * 32).all()
    assert not sampled(1e-300, 1000, b"a" * 32).any()
    assert sampled(0.5, 0, b"a" * 32).shape == (0,)
