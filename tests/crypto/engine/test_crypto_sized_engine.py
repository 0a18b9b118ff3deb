"""Division of work between engines: by counted multiplications, never by the numbers themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from gmpy2 import mpz

from fedtrain.crypto import FixedBaseTable, LocalEngine, ProcessEngine, SizedEngine


class Named(LocalEngine):
    """Notes which calls it gets."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self._name, self._calls = name, calls

    def __getattribute__(self, method: str) -> Any:
        if not method.startswith("_"):
            self._calls.append(self._name)
        return super().__getattribute__(method)


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def engine(calls: list[str]) -> SizedEngine:
    return SizedEngine(Named("small", calls), Named("large", calls), least_multiplications=100)


@pytest.fixture
def modulus() -> mpz:
    """As many bits as n² of a 2,048-bit key, which is what multiplications are counted in."""
    return (mpz(1) << 4096) - 17


def test_matrices_go_by_their_shape_and_their_planned_exponents(engine, calls, modulus) -> None:
    bases = [mpz(3), mpz(5)]
    small = engine.multi_exponentiate(bases, [[1, -1]] * 2, 2, modulus)
    large = engine.multi_exponentiate(bases, [[1, -1]] * 2, 200, modulus)
    one_row = engine.multi_exponentiate(bases, [[1, -1]], 2000, modulus)
    assert calls == ["small", "large", "small"]
    assert small == large == one_row * 2


def test_packed_matrices_count_their_shifts_and_stay_whole_where_one_result_comes_out(engine, calls, modulus) -> None:
    bases = [mpz(3), mpz(5)]
    for rows_per_group, shift_bits in ((1, 3), (2, 400), (4, 400)):
        engine.multi_exponentiate_packed(bases, [[1, -1]] * 4, 2, modulus, rows_per_group, shift_bits)
    assert calls == ["small", "large", "small"]


def test_powers_go_by_their_number_and_the_length_of_the_exponent(engine, calls, modulus) -> None:
    assert engine.powers([mpz(2)] * 2, 5, modulus) == [32, 32]
    assert engine.powers([mpz(2)] * 2, 1 << 100, modulus)[0] == pow(2, 1 << 100, int(modulus))
    engine.powers([mpz(2)], 1 << 1000, modulus)
    assert calls == ["small", "large", "small"], "a single power cannot be divided"


def test_a_shorter_modulus_makes_the_same_work_smaller(engine, calls, modulus) -> None:
    engine.powers([mpz(2)] * 2, 1 << 100, modulus)
    engine.powers([mpz(2)] * 2, 1 << 100, mpz(1) << 1024)
    assert calls == ["large", "small"]


def test_fixed_base_powers_are_handed_over_only_when_they_repay_another_table(engine, calls, modulus) -> None:
    table = FixedBaseTable(mpz(3), modulus, exponent_bits=400, window_bits=2)
    assert engine.fixed_base_powers(table, [1, 2, 3]) == [3, 9, 27]
    assert engine.fixed_base_powers(table, [1, 2, 3, 4]) == [3, 9, 27, 81]
    assert calls == ["small", "large"]


def test_horner_decryption_and_products(engine, calls, modulus, small_keypair) -> None:
    engine.horner([[mpz(3)], [mpz(3)]], 10, modulus)
    engine.horner([[mpz(3), mpz(2)], [mpz(3)]], 300, modulus)
    assert calls == ["small", "large"]
    calls.clear()
    public_key, private_key = small_keypair
    ciphertexts = [mpz(public_key.raw_encrypt(7))] * 20
    assert engine.crt_decrypt(ciphertexts[:2], private_key) == [7, 7]
    assert engine.crt_decrypt(ciphertexts, private_key) == [7] * 20
    assert calls == ["small", "large"]
    calls.clear()
    assert engine.product([[mpz(2)] * 1000] * 2, modulus) == [pow(2, 1000, int(modulus))] * 2
    assert calls == ["small"], "handing a number over takes as long as multiplying it"


def test_both_sides_give_the_same_numbers(modulus) -> None:
    with ThreadPoolExecutor(2) as executor:
        engine = SizedEngine(LocalEngine(), ProcessEngine(executor, 2), least_multiplications=0)
        rows = [[5, -6], [0, 1], [-7, 0]]
        assert engine.multi_exponentiate([mpz(3), mpz(5)], rows, 3, modulus) == LocalEngine().multi_exponentiate(
            [mpz(3), mpz(5)], rows, 3, modulus
        )
