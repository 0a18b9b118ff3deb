"""For random sizes, signs, windows and slot widths the fast paths equal phe's scalar results exactly."""

from __future__ import annotations

import gmpy2
import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phe import EncryptedNumber

from fedtrain.crypto import (
    EncryptedVector,
    KeyHolderEncryptor,
    LocalEngine,
    PublicEncryptor,
    RerandomiserPool,
    SlotLayout,
    affine_matrix,
    decrypt_array,
    encrypt_array,
    key_id,
    rerandomise,
    sum_vectors,
)
from fedtrain.crypto.powers import residues
from fedtrain.crypto.powers.straus import Plan, multi_exponentiate

ENGINE = LocalEngine()
QUIET = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=QUIET)


def entries(bound: int) -> st.SearchStrategy[int]:
    """Integers up to the bound, with what goes wrong most easily drawn often."""
    edges = st.sampled_from([0, min(1, bound), -min(1, bound), bound, -bound])
    return edges | st.integers(-bound, bound)


def arrays(rows: int, columns: int, bound: int) -> st.SearchStrategy[np.ndarray]:
    flat = st.lists(entries(bound), min_size=rows * columns, max_size=rows * columns)
    return flat.map(lambda values: np.array(values, dtype=object).reshape(rows, columns))


def phe_product(public_key, ciphertexts: list, row: list[int]) -> int:
    """Π c_j^a_j by phe's own scalar multiplication and addition."""
    total = EncryptedNumber(public_key, 1, 0)
    for ciphertext, scalar in zip(ciphertexts, row, strict=True):
        total = total + EncryptedNumber(public_key, int(ciphertext), 0) * scalar
    return total.ciphertext(be_secure=False)


@FEW
@given(data=st.data())
def test_multi_exponentiation_equals_phe_ciphertext_for_ciphertext(small_keypair, data) -> None:
    public_key, _ = small_keypair
    rows, columns = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 6))
    bits = data.draw(st.integers(1, 40))
    A = data.draw(arrays(rows, columns, (1 << bits) - 1)).tolist()
    plan = data.draw(
        st.none() | st.builds(Plan, st.integers(0, max(1, min(columns, 3))), st.integers(1, 4), st.just(0.0))
    )
    bases = [mpz(public_key.raw_encrypt(j)) for j in range(columns)]
    # Residues as pairs, which is for keys in use, are forced half the time on keys for tests.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(residues, "_LEAST_PAIR_BITS", data.draw(st.sampled_from([0, 1 << 20])))
        products = multi_exponentiate(bases, A, bits, mpz(public_key.nsquare), plan=plan)
    assert products == [phe_product(public_key, bases, row) for row in A]


@FEW
@given(data=st.data())
def test_arithmetic_on_pairs_is_arithmetic_modulo_the_square(data) -> None:
    n = mpz(data.draw(st.integers(2, 1 << 80)))
    a, b, c = (mpz(data.draw(st.integers(0, int(n * n) - 1))) for _ in range(3))
    pairs, whole = residues.PairResidues(n), residues.WholeResidues(n * n)
    for form in (pairs, whole):
        x, y, z = map(form.of, (a, b, c))
        assert form.value(x) == a
        assert form.value(form.times(x, y)) == a * b % (n * n)
        assert form.value(form.product([x, y, z])) == a * b * c % (n * n)
        assert [form.value(e) for e in form.scaled([x, y], z)] == [a * c % (n * n), b * c % (n * n)]
        assert form.value(form.square_times(x, 5)) == gmpy2.powmod(a, 32, n * n)
        exponent = data.draw(st.integers(1, 1 << 300))
        assert residues.public_power(form, a, exponent) == gmpy2.powmod(a, exponent, n * n)


@FEW
@given(data=st.data())
def test_affine_maps_equal_integers_in_every_layout(small_keypair, data) -> None:
    public_key, private_key = small_keypair
    n = public_key.n
    d_out, d_in, columns = (data.draw(st.integers(1, 5)) for _ in range(3))
    matrix_bound, weight_bound, minus_bound = (1 << data.draw(st.integers(0, 30)) for _ in range(3))
    bound = d_in * matrix_bound * weight_bound + minus_bound
    slot_bits = bound.bit_length() + 1 + data.draw(st.integers(0, 20))
    in_layout = SlotLayout.row_by_row(d_in, columns, slot_bits, 512)
    out_layout = SlotLayout.packed(d_out, columns, slot_bits, 512)
    A = data.draw(arrays(d_out, d_in, matrix_bound))
    w, minus = data.draw(arrays(d_in, columns, weight_bound)), data.draw(arrays(d_out, columns, minus_bound))
    encryptor = KeyHolderEncryptor(private_key, ENGINE, expected_count=1)
    W = encrypt_array(w, in_layout, 3, weight_bound, encryptor, key_id(n))
    # A smaller bound of the entries at hand changes the work, and nothing else.
    entry_bound = data.draw(st.none() | st.just(max(1, *(abs(a) for a in A.ravel()))))
    result = affine_matrix(A, matrix_bound, 4, W, minus, minus_bound, out_layout, n, ENGINE, entry_bound=entry_bound)
    assert (result.bound, result.fraction_bits) == (bound, 7)
    fresh = rerandomise(result.ciphertexts, n, RerandomiserPool(n, ENGINE, 0).take(len(result.ciphertexts)))
    sent = EncryptedVector(result.key_id, 7, bound, out_layout, tuple(fresh))
    assert (decrypt_array(sent, private_key, ENGINE) == A.dot(w) - minus).all()


@FEW
@given(data=st.data())
def test_sums_act_on_all_slots(small_keypair, data) -> None:
    public_key, private_key = small_keypair
    n = public_key.n
    rows, columns, count = (
        data.draw(st.integers(1, 5)),
        data.draw(st.integers(1, 3)),
        data.draw(st.integers(1, 4)),
    )
    bound = 1 << data.draw(st.integers(0, 30))
    layout = SlotLayout.packed(rows, columns, 60, 512)
    encryptor = PublicEncryptor(public_key, ENGINE, expected_count=1)
    values = [data.draw(arrays(rows, columns, bound)) for _ in range(count)]
    vectors = [encrypt_array(v, layout, 5, bound, encryptor, key_id(n)) for v in values]
    total = sum_vectors(vectors, n, ENGINE)
    chained = vectors[0]
    for vector in vectors[1:]:
        chained = sum_vectors([chained, vector], n, ENGINE)
    assert chained == total
    assert (decrypt_array(total, private_key, ENGINE) == sum(values)).all()
    assert total.bound == count * bound
