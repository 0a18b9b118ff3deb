from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from fedtrain.crypto import EncodingOverflow, decode, encode, rescale


def objects(values: list) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def test_halves_go_to_even() -> None:
    assert encode(np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5]), 0, 10).tolist() == [0, 2, 2, 0, -2, -2]
    assert encode(np.array([0.25, 0.75]), 1, 10).tolist() == [0, 2]


def test_encoded_integers_are_python_integers_of_the_same_shape() -> None:
    encoded = encode(np.array([[1.0, -1.0, 0.0]]), 40, 2**40)
    assert encoded.shape == (1, 3)
    assert encoded.dtype == object
    assert [type(integer) for integer in encoded.ravel()] == [int] * 3
    assert encoded.tolist() == [[2**40, -(2**40), 0]]


def test_scales_beyond_float64_stay_exact() -> None:
    values = np.array([1e300, 5e-324, -math.pi, 1.7976931348623157e308])
    encoded = encode(values, 1100, 1 << 2200)
    assert encoded.tolist() == [int(Fraction(v) * 2**1100) for v in values.tolist()]


def test_rounding_is_exact_where_the_scaled_value_is_above_float64() -> None:
    # 2^1023·(1 + 2^−52) at 30 fraction bits overflows float64 and has nothing to round.
    value = 2.0**1023 * (1 + 2.0**-52)
    assert encode(np.array([value]), 30, 1 << 1060).tolist() == [int(value) << 30]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(EncodingOverflow, match="entry 1 is not a finite"):
        encode(np.array([1.0, value]), 10, 2**20)


def test_the_bound_itself_is_accepted_and_one_more_is_refused_without_naming_it() -> None:
    assert encode(np.array([1023.0, -1023.0]), 0, 1023).tolist() == [1023, -1023]
    for value in (1024.0, -1024.0):
        with pytest.raises(EncodingOverflow) as refusal:
            encode(np.array([0.0, value]), 0, 1023)
        assert "1024" not in str(refusal.value)
        assert "entry 1" in str(refusal.value)


def test_decoding_rounds_once() -> None:
    integers = objects([2**53 + 1, -(2**53) - 1, 3, 0])
    decoded = decode(integers, 1)
    assert decoded.dtype == np.float64
    assert decoded.tolist() == [float(Fraction(int(i), 2)) for i in integers]
    # 2^54 + 2 halves to an even neighbour; a detour over float64 of a longer integer would double round.
    wide = (1 << 200) + (1 << 147) + 1
    assert decode(objects([wide]), 200).tolist() == [float(Fraction(wide, 1 << 200))]


def test_decoding_beyond_float64_is_refused() -> None:
    with pytest.raises(EncodingOverflow):
        decode(objects([1 << 2000]), 10)
    assert decode(objects([1 << 2000]), 1999).tolist() == [2.0]


def test_rescaling_rounds_half_to_even_and_multiplies_exactly() -> None:
    assert rescale(objects([2, 6, -2, -6, 5]), 2, 0).tolist() == [0, 2, 0, -2, 1]
    assert rescale(objects([3, -3]), 2, 70).tolist() == [3 << 68, -3 << 68]
    assert rescale(np.array([[1], [2]], dtype=object), 5, 5).tolist() == [[1], [2]]


@pytest.mark.parametrize("call", [lambda: encode(np.zeros(1), -1, 1), lambda: decode(objects([1]), -1)])
def test_negative_fraction_bits_are_refused(call) -> None:
    with pytest.raises(ValueError, match="fraction_bits"):
        call()
