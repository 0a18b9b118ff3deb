"""Window digits put together again are the number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrain.crypto.powers.digits import window_digits


@given(st.lists(st.integers(0, (1 << 90) - 1), max_size=5), st.integers(1, 16))
def test_digits_put_together_are_the_numbers(numbers: list[int], window_bits: int) -> None:
    positions = -(-90 // window_bits)
    digits = window_digits(numbers, positions, window_bits)
    assert digits.shape == (len(numbers), positions)
    assert digits.size == 0 or 0 <= digits.min() <= digits.max() < 1 << window_bits
    assert [sum(d << (window_bits * i) for i, d in enumerate(row)) for row in digits.tolist()] == numbers


def test_a_negative_number_and_one_beyond_all_positions_are_refused() -> None:
    for number in (-1, 1 << 40):
        with pytest.raises(OverflowError):
            window_digits([number], 5, 7)
