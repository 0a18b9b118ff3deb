"""What takes long in a step, for an executor: proving and decrypting a sum, encrypting the next point."""

from __future__ import annotations

from collections.abc import Sequence

from phe.paillier import PaillierPrivateKey

from crypto import (
    CryptoError,
    DecodedOutOfBound,
    EncryptedVector,
    Encryptor,
    Engine,
    decrypt_array,
    encrypt_array,
    key_id,
    sum_vectors,
)
from crypto.budget import Budget
from model_owner.job import ExpectedSum, OpenSum
from model_owner.optimisers.quadratic import Integers
from protocol.addition import check_sum
from protocol.messages import VectorMessage
from protocol.problems import Code, Problem


def open_sum(effect: OpenSum, private_key: PaillierPrivateKey, engine: Engine) -> Integers:
    """Return the decrypted sum, (rows, columns) integers, after every check; nothing is decrypted before.

    Raises Problem: ADDITION_NOT_PROVEN, LOG_INCONSISTENT, BAD_SIGNATURE, MALFORMED_CBOR, MALFORMED_MESSAGE,
    MALFORMED_CIPHERTEXT, SUM_OUT_OF_BOUND.
    """
    step = effect.arrived.step
    if step.sum is None:
        raise Problem(Code.ADDITION_NOT_PROVEN, "The step came without a sum.")

    def add(vectors: Sequence[EncryptedVector], modulus: int) -> EncryptedVector:
        for vector in vectors:
            _check_planned(vector, effect.expected, modulus)
        return sum_vectors(vectors, modulus, engine, effect.expected.bound)

    try:
        total = check_sum(effect.context, step.answers, step.log_entry, step.sum.ciphertexts, add)
        return decrypt_array(total, private_key, engine)
    except DecodedOutOfBound as error:
        raise Problem(
            Code.SUM_OUT_OF_BOUND,
            f"The sum of round {effect.context.round} ({effect.context.kind}) is not used: {error}.",
        ) from None
    except CryptoError as error:
        raise Problem(Code.MALFORMED_CIPHERTEXT, f"An answer cannot be added: {error}.") from None


def _check_planned(vector: EncryptedVector, expected: ExpectedSum, modulus: int) -> None:
    given = (vector.key_id, vector.fraction_bits, vector.layout)
    planned = (key_id(modulus), expected.fraction_bits, expected.layout)
    if given != planned:
        raise Problem(Code.MALFORMED_MESSAGE, "An answer is under another key, scale or layout than the plan's.")


def encrypt_point(point: Integers, budget: Budget, encryptor: Encryptor, modulus: int) -> VectorMessage:
    """Encrypt a (d, k) point at the base scale. Raises Problem(DIVERGED) for a weight beyond the planned bound."""
    step = budget.steps[0]
    try:
        vector = encrypt_array(
            point,
            budget.weights_layout,
            step.weight_fraction_bits,
            step.weight_bound,
            encryptor,
            key_id(modulus),
        )
    except CryptoError as error:
        raise Problem(Code.DIVERGED, f"The next weights cannot be encrypted: {error}.") from None
    return VectorMessage.of(vector, modulus)
