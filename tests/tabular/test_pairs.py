"""Scaled values as pairs of doubles: right to some 2^−100, whatever the range, and never beyond its ends."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from fedtrain.tabular.pairs import Affine, product_pair

ENDS = st.floats(-1e307, 1e307) | st.sampled_from([0.0, 1.0, 0.1, 1e9, 1e9 + 7, -3.13, 5e-324, 1e-300, 255.0, 2.0**60])


def quotients(scale: Affine, values: list[float]) -> list[Fraction]:
    out, rest = np.empty(len(values)), np.empty(len(values))
    scale.write(np.array(values), out, rest)
    return [Fraction(one) + Fraction(other) for one, other in zip(out.tolist(), rest.tolist(), strict=True)]


@given(low=ENDS, high=ENDS, centred=st.booleans(), data=st.data())
def test_a_quotient_is_right_to_a_hundred_bits(low: float, high: float, centred: bool, data: st.DataObject) -> None:
    assume(low < high)
    values = [low, high, *data.draw(st.lists(st.floats(low, high), max_size=5))]
    exact = [
        (2 * Fraction(v) - (Fraction(low) + Fraction(high)) * centred) / (Fraction(high) - Fraction(low))
        for v in values
    ]
    for found, right in zip(quotients(Affine(low, high, centred), values), exact, strict=True):
        # Of 1, or of a quotient by a width that is far from where the range lies.
        assert (
            abs(found - right)
            <= max(Fraction(1), abs(right), Fraction(max(abs(low), abs(high))) / (Fraction(high) - Fraction(low)))
            / 2**100
        )


def test_the_ends_of_a_range_are_exactly_one_and_what_is_beyond_is_clipped_to_them() -> None:
    scale = Affine(0.1, 0.7, centred=True)
    assert quotients(scale, [0.1, 0.7, -5.0, 1e300]) == [-1, 1, -1, 1]


def test_a_product_and_its_rest_are_exact() -> None:
    random = np.random.default_rng(4)
    values, factors = random.normal(size=200), random.uniform(0, 1, 200)
    products, rests = product_pair(values, factors)
    for v, f, product, rest in zip(values.tolist(), factors.tolist(), products.tolist(), rests.tolist(), strict=True):
        assert Fraction(product) + Fraction(rest) == Fraction(v) * Fraction(f)
