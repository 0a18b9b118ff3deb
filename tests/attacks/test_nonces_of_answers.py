"""A key holder reads the nonces of what it decrypts: they must tell nothing of the owner's numbers.

With nonces of its own choice in Enc(w), the nonce of an answer is theirs to the power of the owner's matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrain.crypto import EncryptedVector, RerandomiserPool
from fedtrain.data_owner.release import answer as release
from fedtrain.data_owner.release.answer import AnsweringJob, compute_answer
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.rounds import RoundAnswer, RoundRequest, VectorMessage, from_cbor
from tests.data_owner.release.test_owner_answers import MOMENTS, _jobs, _request
from tests.harness.data_owner.owner_bench import ENGINE, modulus, private_key, spec_of, weights_message

BUDGET = plan_spec(spec_of())
#: The nonce of Enc(w₀); all others are 1.
CHOSEN = mpz(3)


class Handing(RerandomiserPool):
    """A pool that notes what it hands out."""

    def __init__(self) -> None:
        super().__init__(modulus(), ENGINE, 0)
        self.handed: list[mpz] = []

    def take(self, count: int) -> list[mpz]:
        factors = super().take(count)
        self.handed += factors
        return factors


def job_with(pool: RerandomiserPool) -> AnsweringJob:
    return replace(_jobs(BUDGET)["clinic-a"], pool=pool)


def answered(job: AnsweringJob, request: RoundRequest) -> EncryptedVector:
    body = compute_answer(job, request, "d4" * 32).body
    return from_cbor(body, RoundAnswer).vector.open(modulus())


def nonces(ciphertexts: Sequence[mpz]) -> list[mpz]:
    """The r of each ciphertext g^m·rⁿ, by who holds the key: mod n, g is 1 and n invertible as an exponent."""
    key = private_key()
    exponent = gmpy2.invert(modulus(), gmpy2.lcm(mpz(key.p) - 1, mpz(key.q) - 1))
    return [gmpy2.powmod(one, exponent, modulus()) for one in ciphertexts]


def crafted_request() -> RoundRequest:
    """Honest weights of 0, under nonces of the key holder's choice."""
    message = weights_message(BUDGET, (0, 0, 0))
    square = mpz(modulus()) ** 2
    chosen = [gmpy2.powmod(CHOSEN, modulus(), square), mpz(1), mpz(1)]
    vector = replace(message.open(modulus()), ciphertexts=tuple(chosen))
    return _request(RoundKind.GRADIENT, weights=VectorMessage.of(vector, modulus()))


def guessed(layout_bits: int, rows_a_ciphertext: int) -> list[mpz]:
    """The nonces that the owner's first column of A would leave, for who guesses it: packed by Horner's rule."""
    column = [int(value) for value in MOMENTS["clinic-a"].xtx[:, 0]]
    groups = [column[at : at + rows_a_ciphertext] for at in range(0, len(column), rows_a_ciphertext)]
    exponents = [sum(value << (layout_bits * place) for place, value in enumerate(group)) for group in groups]
    return [gmpy2.powmod(CHOSEN, exponent, modulus()) for exponent in exponents]


def test_a_guess_of_the_matrix_is_confirmed_by_nonces_unless_they_are_rerandomised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Handing()
    job, request = job_with(pool), crafted_request()
    sent = answered(job, request)
    guess = guessed(sent.layout.slot_bits, sent.layout.rows_per_ciphertext * sent.layout.columns_per_ciphertext)
    assert len(guess) == len(sent.ciphertexts) == len(pool.handed)
    assert not set(nonces(sent.ciphertexts)) & set(guess)
    # What was multiplied in is what the pool gave, and all that hides the matrix.
    hidden = [gmpy2.divm(one, factor, modulus()) for one, factor in zip(sent.ciphertexts, pool.handed, strict=True)]
    assert nonces(hidden) == guess
    monkeypatch.setattr(release, "rerandomised", lambda vector, _n, _pool: vector)
    assert nonces(answered(job, request).ciphertexts) == guess


def test_the_nonce_of_a_plain_answer_is_one_factor_of_the_pool_whatever_the_numbers_are() -> None:
    pool = Handing()
    seen = []
    for name in ("clinic-a", "clinic-b"):
        sent = answered(replace(_jobs(BUDGET)[name], pool=pool), _request(RoundKind.COUNTS, 0))
        seen += [one % modulus() for one in sent.ciphertexts]
    # Mod n a plaintext leaves no trace: what is left of a ciphertext is its nonce, and nothing was added to that.
    assert seen == [factor % modulus() for factor in pool.handed]
    assert len(set(seen)) == len(seen) == 2 * BUDGET.counts_layout.ciphertexts
    assert 1 not in seen
