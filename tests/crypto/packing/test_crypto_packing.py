from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fedtrain.crypto import (
    CapacityExceeded,
    DecodedOutOfBound,
    EncodingOverflow,
    LayoutMismatch,
    SlotLayout,
    pack,
    unpack,
)

N = (1 << 255) + 95
LAYOUT = SlotLayout(rows=5, columns=3, slot_bits=20, rows_per_ciphertext=2, columns_per_ciphertext=2)


def array(values: list) -> np.ndarray:
    return np.array(values, dtype=object)


def counting() -> np.ndarray:
    return array([[(-1) ** (r + c) * (10 * r + c) for c in range(3)] for r in range(5)])


def test_counts_of_groups_slots_and_ciphertexts() -> None:
    assert (LAYOUT.row_groups, LAYOUT.column_groups, LAYOUT.ciphertexts) == (3, 2, 6)
    assert LAYOUT.slots_per_ciphertext == 4


def test_every_number_is_where_the_layout_says() -> None:
    values = counting()
    plaintexts = pack(values, LAYOUT)
    for row in range(5):
        for column in range(3):
            ciphertext = (row // 2) * 2 + column // 2
            slot = (row % 2) * 2 + column % 2
            others = sum(
                int(values[r, c]) << (20 * ((r % 2) * 2 + c % 2))
                for r in range(5)
                for c in range(3)
                if (r // 2) * 2 + c // 2 == ciphertext and (r, c) != (row, column)
            )
            assert plaintexts[ciphertext] - others == int(values[row, column]) << (20 * slot)


def test_what_is_packed_is_unpacked_from_residues() -> None:
    values = counting()
    residues = [plaintext % N for plaintext in pack(values, LAYOUT)]
    assert (unpack(residues, LAYOUT, N, bound=42) == values).all()


def test_the_widest_values_with_every_sign_survive() -> None:
    widest = (1 << 19) - 1
    for signs in ([1, 1, 1], [-1, -1, -1], [-1, 1, -1], [1, -1, 0]):
        values = array([[sign * widest for sign in signs]] * 5)
        residues = [plaintext % N for plaintext in pack(values, LAYOUT)]
        assert (unpack(residues, LAYOUT, N, bound=widest) == values).all()


@pytest.mark.parametrize("value", [1 << 19, -(1 << 19)])
def test_a_value_that_fills_its_slot_is_refused(value: int) -> None:
    values = counting()
    values[3, 1] = value
    with pytest.raises(EncodingOverflow, match="entry 10"):
        pack(values, LAYOUT)


def test_another_shape_is_refused() -> None:
    with pytest.raises(LayoutMismatch):
        pack(counting().T, LAYOUT)
    with pytest.raises(LayoutMismatch):
        unpack([0] * 5, LAYOUT, N, bound=1)


def test_a_slot_beyond_its_bound_is_named_and_its_value_is_not() -> None:
    values = counting()
    values[4, 0] = -777
    residues = [plaintext % N for plaintext in pack(values, LAYOUT)]
    assert (unpack(residues, LAYOUT, N, bound=777) == values).all()
    with pytest.raises(DecodedOutOfBound) as refusal:
        unpack(residues, LAYOUT, N, bound=776)
    assert (refusal.value.slot, refusal.value.bound_bits) == (16, 10)
    assert "77" not in str(refusal.value)


@pytest.mark.parametrize("left_over", [1 << 80, -(1 << 80), 1 << 200, -(1 << 200)])
def test_anything_beyond_the_last_slot_is_refused(left_over: int) -> None:
    residues = [plaintext % N for plaintext in pack(counting(), LAYOUT)]
    residues[1] = (residues[1] + left_over) % N
    with pytest.raises(DecodedOutOfBound):
        unpack(residues, LAYOUT, N, bound=42)


@pytest.mark.parametrize(("ciphertext", "slot"), [(1, 1), (1, 3), (4, 2), (5, 1)])
def test_a_slot_that_the_layout_leaves_empty_must_be_zero(ciphertext: int, slot: int) -> None:
    residues = [plaintext % N for plaintext in pack(counting(), LAYOUT)]
    residues[ciphertext] = (residues[ciphertext] + (1 << (20 * slot))) % N
    with pytest.raises(DecodedOutOfBound) as refusal:
        unpack(residues, LAYOUT, N, bound=42)
    assert refusal.value.slot == ciphertext * 4 + slot


def test_capacity_leaves_two_bits_of_the_modulus() -> None:
    LAYOUT.check_capacity(82)
    with pytest.raises(CapacityExceeded) as refusal:
        LAYOUT.check_capacity(81)
    assert (refusal.value.needed_bits, refusal.value.available_bits) == (80, 79)
    with pytest.raises(CapacityExceeded):
        unpack([0] * 6, LAYOUT, 1 << 80, bound=1)


def test_packed_fills_columns_first_and_then_rows() -> None:
    assert SlotLayout.packed(7, 3, 20, 256) == SlotLayout(7, 3, 20, 4, 3)
    assert SlotLayout.packed(7, 30, 20, 256) == SlotLayout(7, 30, 20, 1, 12)
    assert SlotLayout.packed(1, 1, 254, 256) == SlotLayout(1, 1, 254, 1, 1)
    with pytest.raises(CapacityExceeded):
        SlotLayout.packed(1, 1, 255, 256)


def test_row_by_row_packs_columns_only() -> None:
    assert SlotLayout.row_by_row(7, 3, 20, 256) == SlotLayout(7, 3, 20, 1, 3)
    assert SlotLayout.row_by_row(7, 30, 20, 256) == SlotLayout(7, 30, 20, 1, 12)
    with pytest.raises(CapacityExceeded):
        SlotLayout.row_by_row(1, 1, 255, 256)


def test_a_layout_comes_back_from_its_dict() -> None:
    assert SlotLayout.from_dict(LAYOUT.to_dict()) == LAYOUT


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"rows": 0}, ValueError),
        ({"rows": -1}, ValueError),
        ({"slot_bits": 1}, ValueError),
        ({"columns": "3"}, ValueError),
        ({"columns": 3.0}, ValueError),
        ({"rows_per_ciphertext": True}, ValueError),
        ({"columns_per_ciphertext": 4}, ValueError),
        ({"extra": 1}, ValueError),
        ({"rows_per_ciphertext": 1 << 40}, CapacityExceeded),
    ],
)
def test_a_dict_that_describes_no_layout_is_refused(change: dict, error: type[Exception]) -> None:
    with pytest.raises(error):
        SlotLayout.from_dict({**LAYOUT.to_dict(), **change})


def test_a_dict_with_an_entry_missing_is_refused_by_name() -> None:
    description = LAYOUT.to_dict()
    del description["slot_bits"]
    with pytest.raises(ValueError, match="slot_bits"):
        SlotLayout.from_dict(description)
    with pytest.raises(ValueError, match="object"):
        SlotLayout.from_dict([1, 2])  # type: ignore[arg-type]


def test_a_layout_cannot_be_altered() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        LAYOUT.rows = 6  # type: ignore[misc]
