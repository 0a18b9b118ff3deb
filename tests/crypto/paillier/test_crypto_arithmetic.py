from __future__ import annotations

import numpy as np
import pytest

from fedtrain.crypto import (
    CapacityExceeded,
    EncodingOverflow,
    EncryptedVector,
    KeyHolderEncryptor,
    KeyMismatch,
    LayoutMismatch,
    LocalEngine,
    ScaleMismatch,
    SlotLayout,
    affine_matrix,
    decrypt_array,
    encrypt_array,
    key_id,
    sum_vectors,
)

SLOT_BITS = 60
ENGINE = LocalEngine()
VALUES = np.array([[3, -4], [0, 1000], [-1000, 1], [7, 7], [-1, -1]], dtype=object)


@pytest.fixture(scope="module")
def n(small_keypair) -> int:
    return small_keypair[0].n


@pytest.fixture(scope="module")
def encryptor(small_keypair) -> KeyHolderEncryptor:
    return KeyHolderEncryptor(small_keypair[1], ENGINE, expected_count=100)


@pytest.fixture
def encrypted(n: int, encryptor):
    def encrypt(
        values: np.ndarray = VALUES,
        bound: int = 1000,
        fraction_bits: int = 20,
        layout: SlotLayout | None = None,
    ) -> EncryptedVector:
        layout = layout or SlotLayout.row_by_row(*values.shape, SLOT_BITS, 512)
        return encrypt_array(values, layout, fraction_bits, bound, encryptor, key_id(n))

    return encrypt


@pytest.fixture
def decrypted(small_keypair):
    return lambda vector: decrypt_array(vector, small_keypair[1], ENGINE).tolist()


def renamed(vector: EncryptedVector) -> EncryptedVector:
    return EncryptedVector("00" * 16, vector.fraction_bits, vector.bound, vector.layout, vector.ciphertexts)


def test_addition_adds_values_and_bounds(n, encrypted, decrypted) -> None:
    total = sum_vectors([encrypted(), encrypted(2 * VALUES, bound=2000)], n, ENGINE)
    assert decrypted(total) == (3 * VALUES).tolist()
    assert (total.bound, total.fraction_bits, total.key_id) == (3000, 20, key_id(n))


def test_addition_of_what_does_not_belong_together_is_refused(n, encrypted) -> None:
    a = encrypted()
    with pytest.raises(KeyMismatch):
        sum_vectors([a, renamed(a)], n, ENGINE)
    with pytest.raises(KeyMismatch):
        sum_vectors([a, a], n + 2, ENGINE)
    with pytest.raises(ScaleMismatch) as scales:
        sum_vectors([a, encrypted(fraction_bits=21)], n, ENGINE)
    assert (scales.value.expected, scales.value.received) == (20, 21)
    with pytest.raises(LayoutMismatch):
        sum_vectors([a, encrypted(layout=SlotLayout.packed(5, 2, SLOT_BITS, 512))], n, ENGINE)
    widest = (1 << 59) - 1
    with pytest.raises(CapacityExceeded) as capacity:
        sum_vectors([a, encrypted(bound=widest)], n, ENGINE)
    assert (capacity.value.needed_bits, capacity.value.available_bits) == (61, 60)


def test_sums_of_many_and_their_planned_bound(n, encrypted, decrypted) -> None:
    vectors = [encrypted(k * VALUES, bound=5000) for k in range(-1, 4)]
    total = sum_vectors(vectors, n, ENGINE)
    assert decrypted(total) == (5 * VALUES).tolist()
    assert total.bound == 25_000
    planned = sum_vectors(vectors, n, ENGINE, bound=6000)
    assert (planned.bound, planned.ciphertexts) == (6000, total.ciphertexts)
    assert sum_vectors(vectors[:1], n, ENGINE).ciphertexts == vectors[0].ciphertexts


def test_sums_of_nothing_or_of_what_does_not_belong_together_are_refused(n, encrypted) -> None:
    a = encrypted()
    with pytest.raises(ValueError, match="at least one"):
        sum_vectors([], n, ENGINE)
    with pytest.raises(KeyMismatch):
        sum_vectors([a, a, renamed(a)], n, ENGINE)
    with pytest.raises(ScaleMismatch):
        sum_vectors([a, encrypted(fraction_bits=19)], n, ENGINE)
    with pytest.raises(LayoutMismatch):
        sum_vectors([a, encrypted(VALUES[:4])], n, ENGINE)
    with pytest.raises(CapacityExceeded):
        sum_vectors([a, a], n, ENGINE, bound=1 << 59)
    with pytest.raises(CapacityExceeded):
        sum_vectors([encrypted(bound=1 << 58)] * 2, n, ENGINE)


A = np.array([[1, -2, 3, 0, 127], [0] * 5, [-127, 127, -127, 127, -127]], dtype=object)
B = np.array([[5, -6], [-7, 8], [0, 9]], dtype=object)
OUT = SlotLayout.packed(3, 2, SLOT_BITS, 512)


def affine(
    n, W, A=A, minus=B, out=OUT, matrix_bound=127, minus_bound=9, row_bounds=None, entry_bound=None
) -> EncryptedVector:
    return affine_matrix(A, matrix_bound, 11, W, minus, minus_bound, out, n, ENGINE, row_bounds, entry_bound)


def test_matrix_times_vector_minus_plain_values_packed(n, encrypted, decrypted) -> None:
    result = affine(n, encrypted())
    assert decrypted(result) == (A @ VALUES - B).tolist()
    assert (result.fraction_bits, result.bound, result.layout) == (31, 5 * 127 * 1000 + 9, OUT)


def test_columns_that_need_several_ciphertexts_a_row(n, encrypted, decrypted) -> None:
    values = np.array([[r * 10 - c for c in range(7)] for r in range(5)], dtype=object)
    minus = np.array([[r - c for c in range(7)] for r in range(3)], dtype=object)
    layout = SlotLayout(5, 7, SLOT_BITS, 1, 3)
    out = SlotLayout(3, 7, SLOT_BITS, 2, 3)
    result = affine(n, encrypted(values, layout=layout), minus=minus, out=out)
    assert decrypted(result) == (A @ values - minus).tolist()
    assert len(result.ciphertexts) == 2 * 3


def test_row_bounds_make_the_result_tighter_and_are_checked(n, encrypted, decrypted) -> None:
    result = affine(n, encrypted(), row_bounds=[133, 0, 635])
    assert result.bound == 635 * 1000 + 9
    assert decrypted(result) == (A @ VALUES - B).tolist()
    with pytest.raises(EncodingOverflow, match="row 0"):
        affine(n, encrypted(), row_bounds=[132, 0, 635])
    with pytest.raises(LayoutMismatch):
        affine(n, encrypted(), row_bounds=[635, 635])


def test_a_known_bound_of_the_entries_saves_work_and_is_checked_and_does_not_show(n, encrypted, decrypted) -> None:
    result = affine(n, encrypted(), matrix_bound=1 << 20, entry_bound=127)
    assert decrypted(result) == (A @ VALUES - B).tolist()
    assert result.bound == affine(n, encrypted(), matrix_bound=1 << 20).bound == 5 * 1000 * (1 << 20) + 9
    with pytest.raises(EncodingOverflow, match="entry 4"):
        affine(n, encrypted(), matrix_bound=1 << 20, entry_bound=126)


def test_an_affine_map_outside_its_plan_is_refused(n, encrypted) -> None:
    W = encrypted()
    with pytest.raises(EncodingOverflow, match="entry 4"):
        affine(n, W, matrix_bound=126)
    with pytest.raises(EncodingOverflow, match="entry 3"):
        affine(n, W, minus_bound=7)
    with pytest.raises(CapacityExceeded):
        affine(n, W, matrix_bound=1 << 50)
    with pytest.raises(CapacityExceeded):
        affine(n, W, minus_bound=1 << 60)
    with pytest.raises(KeyMismatch):
        affine(n, renamed(W))
    with pytest.raises(LayoutMismatch):
        affine(n, W, A=A[:, :4])
    with pytest.raises(LayoutMismatch):
        affine(n, W, A=A[:2])
    with pytest.raises(LayoutMismatch):
        affine(n, W, minus=B[:, :1])
    with pytest.raises(LayoutMismatch):
        affine(n, W, out=SlotLayout.packed(3, 2, SLOT_BITS + 1, 512))
    with pytest.raises(LayoutMismatch):
        affine(n, W, out=SlotLayout(3, 2, SLOT_BITS, 2, 1))
    with pytest.raises(LayoutMismatch, match="one row a ciphertext"):
        affine(n, encrypted(layout=SlotLayout(5, 2, SLOT_BITS, 2, 2)))
    with pytest.raises(CapacityExceeded):
        affine(n, W, out=SlotLayout(3, 2, SLOT_BITS, 5, 2))


def test_nothing_runs_before_the_bound_is_known_to_fit(n, encrypted) -> None:
    class NoEngine(LocalEngine):
        def multi_exponentiate_packed(self, *args, **kwargs):
            raise AssertionError("ran")

        def product(self, *args, **kwargs):
            raise AssertionError("ran")

    W = encrypted()
    with pytest.raises(CapacityExceeded):
        affine_matrix(A, 1 << 50, 11, W, B, 9, OUT, n, NoEngine())
    with pytest.raises(CapacityExceeded):
        sum_vectors([W, W], n, NoEngine(), bound=1 << 59)
    with pytest.raises(AssertionError, match="ran"):
        sum_vectors([W, W], n, NoEngine())
