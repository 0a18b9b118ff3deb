"""The sampler against OpenDP's, of the same distribution by other people's code in another language."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import opendp.prelude as dp
import pytest
from scipy import stats

from fedtrain.privacy.discrete_gaussian import discrete_gaussian
from fedtrain.privacy.random_stream import RandomStream

DRAWS = 30_000
#: OpenDP's draws have no seed: of equal distributions, one run in 10^12 is below it. Unequal ones below are at 10^−40.
LEAST_P = 1e-12


def ours(variance: int) -> list[int]:
    stream = RandomStream(hashlib.sha256(b"against OpenDP").digest())
    return [discrete_gaussian(variance, stream) for _ in range(DRAWS)]


def theirs(scale: float) -> list[int]:
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float)
    measurement = dp.m.make_gaussian(*space, scale=scale)
    return [int(value) for value in measurement([0] * DRAWS)]


def p_value(one: Sequence[int], other: Sequence[int]) -> float:
    """Of a χ² test of two samples, values of fewer than 40 draws together taken with their side's end."""
    counted = [Counter(one), Counter(other)]
    both = counted[0] + counted[1]
    common = [value for value, count in both.items() if count >= 40]
    low, high = min(common), max(common)
    lines = [Counter(max(low, min(high, value)) for value in sample) for sample in (one, other)]
    values = sorted(set(lines[0]) | set(lines[1]))
    return float(stats.chi2_contingency([[line[value] for value in values] for line in lines]).pvalue)


@pytest.mark.parametrize("variance", [1, 4, 100])
def test_each_integer_comes_as_often_as_in_opendp(variance: int) -> None:
    assert p_value(ours(variance), theirs(math.sqrt(variance))) > LEAST_P


def test_large_draws_are_spread_as_in_opendp() -> None:
    scale = 1 << 20
    found, other = (np.array(sample, dtype=float) for sample in (ours(scale * scale), theirs(float(scale))))
    assert stats.ks_2samp(found, other).pvalue > LEAST_P


def test_another_variance_does_not_pass_for_it() -> None:
    assert p_value(ours(4), theirs(math.sqrt(5))) < LEAST_P
