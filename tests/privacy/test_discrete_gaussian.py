"""The sampler against the distribution itself, and the stream that it draws from."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from fedtrain.privacy.discrete_gaussian import discrete_gaussian, discrete_laplace
from fedtrain.privacy.random_stream import RandomStream

DRAWS = 30_000
SEED = hashlib.sha256(b"the sampler's tests").digest()
#: Fixed seeds: a test that passes goes on to pass. At such a p-value a wrong sampler of so many draws does not.
LEAST_P = 1e-4


def draws(variance: int, count: int = DRAWS, seed: bytes = SEED) -> list[int]:
    stream = RandomStream(seed)
    return [discrete_gaussian(variance, stream) for _ in range(count)]


def masses(variance: int, reach: int) -> dict[int, float]:
    weights = {x: math.exp(-x * x / (2 * variance)) for x in range(-reach, reach + 1)}
    total = math.fsum(weights.values())
    return {x: weight / total for x, weight in weights.items()}


def p_value(values: Sequence[int], expected: dict[int, float]) -> float:
    """Of a χ² test, values that are expected fewer than ten times taken together with their side's end."""
    common = [x for x, mass in expected.items() if mass * len(values) >= 10]
    low, high = min(common), max(common)
    counts = Counter(max(low, min(high, value)) for value in values)
    inside = {x: expected[x] for x in common}
    inside[low] += math.fsum(mass for x, mass in expected.items() if x < low)
    inside[high] += math.fsum(mass for x, mass in expected.items() if x > high)
    observed = [counts[x] for x in common]
    share = np.array([inside[x] for x in common])
    return float(stats.chisquare(observed, share / share.sum() * len(values)).pvalue)


@pytest.mark.parametrize("variance", [1, 2, 30])
def test_each_integer_comes_as_often_as_its_probability_says(variance: int) -> None:
    assert p_value(draws(variance), masses(variance, 60)) > LEAST_P


def test_another_distribution_does_not_pass_for_it() -> None:
    rounded = np.rint(np.random.default_rng(0).normal(0, 1, DRAWS)).astype(int).tolist()
    assert p_value(rounded, masses(1, 60)) < LEAST_P
    assert p_value(draws(30), masses(35, 60)) < LEAST_P


def test_a_variance_of_a_hundred_bits_gives_a_normal_of_that_variance_with_its_tails() -> None:
    variance = 3 << 96
    scaled = np.array(draws(variance), dtype=float) / math.sqrt(variance)
    assert stats.kstest(scaled, "norm").pvalue > LEAST_P
    assert abs(scaled.var() - 1) < 0.04
    for multiple in (2, 3, 3.5):
        expected = 2 * stats.norm.sf(multiple)
        beyond = int((abs(scaled) > multiple).sum())
        assert stats.binomtest(beyond, DRAWS, expected).pvalue > LEAST_P
    # Low bits of large draws are drawn as well, and not left over from a double.
    lows = Counter(value % 8 for value in draws(variance, 4000))
    assert stats.chisquare([lows[low] for low in range(8)]).pvalue > LEAST_P


def test_the_sum_of_shares_has_the_planned_variance() -> None:
    share, owners = 1 << 80, 3
    streams = [RandomStream(hashlib.sha256(bytes([owner])).digest()) for owner in range(owners)]
    sums = [sum(discrete_gaussian(share, stream) for stream in streams) for _ in range(DRAWS)]
    spread = np.array(sums, dtype=float).var() / (owners * share)
    assert abs(spread - 1) < 3 * math.sqrt(2 / DRAWS)


def test_the_laplace_that_it_rejects_from() -> None:
    stream = RandomStream(SEED)
    values = [discrete_laplace(5, stream) for _ in range(DRAWS)]
    weights = {x: math.exp(-abs(x) / 5) for x in range(-150, 151)}
    total = math.fsum(weights.values())
    assert p_value(values, {x: weight / total for x, weight in weights.items()}) > LEAST_P


@pytest.mark.parametrize("variance", [0, -1])
def test_no_variance_is_refused(variance: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        discrete_gaussian(variance, RandomStream(SEED))


def test_a_seed_gives_the_same_draws_and_another_one_others() -> None:
    assert draws(1 << 60, 50) == draws(1 << 60, 50)
    assert not set(draws(1 << 60, 50)) & set(draws(1 << 60, 50, hashlib.sha256(b"another").digest()))


def test_the_stream_is_shake256_of_the_seed_block_by_block() -> None:
    stream = RandomStream(SEED)
    words = [stream.word() for _ in range(64 + 4096 + 1)]
    blocks = [
        hashlib.shake_256(SEED + block.to_bytes(8, "big")).digest(8 * count)
        for block, count in ((0, 64), (1, 4096), (2, 4096))
    ]
    expected = [int.from_bytes(bytes(eight), "big") for eight in zip(*[iter(b"".join(blocks))] * 8, strict=True)]
    assert words == expected[: len(words)]
    with pytest.raises(ValueError, match="32 bytes"):
        RandomStream(b"short")


class _Words(RandomStream):
    """A stream of given words."""

    def __init__(self, words: Sequence[int]) -> None:
        self._given = list(words)

    def word(self) -> int:
        return self._given.pop(0)


def test_a_comparison_goes_on_to_the_next_bits_where_the_first_are_equal() -> None:
    third = (1 << 64) // 3  # 1/3 is this digit in base 2^64, again and again
    assert _Words([third - 1]).is_below(1, 3)
    assert not _Words([third + 1]).is_below(1, 3)
    assert _Words([third, third, third - 1]).is_below(1, 3)
    assert not _Words([third, third, third + 1]).is_below(1, 3)
    assert not _Words([1 << 63, 0]).is_below(1, 2)  # just not below
    assert not _Words([]).is_below(0, 5)
    assert _Words([(1 << 64) - 1]).is_below(5, 5)


def test_integers_below_an_end_are_alike_whatever_their_size() -> None:
    stream = RandomStream(SEED)
    counts = Counter(stream.below(7) for _ in range(14_000))
    assert stats.chisquare([counts[value] for value in range(7)]).pvalue > LEAST_P
    end = (1 << 70) + 3
    high = [stream.below(end) for _ in range(2000)]
    assert max(high) < end
    assert stats.kstest(np.array(high, dtype=float) / end, "uniform").pvalue > LEAST_P
    assert stream.below(1) == 0
    with pytest.raises(ValueError, match="no integer"):
        stream.below(0)
