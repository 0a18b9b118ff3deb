"""The stages that put integers under encryption: fresh, or as a map applied to ciphertexts that others sent.

A plain answer needs no re-randomiser: every factor of its nonce is this owner's own, uniform and used once, and no
scalar of the owner's is in it. The nonces of an affine answer are somebody else's, to the power of the owner's matrix:
a malicious key holder could read the matrix out of them, so that they are multiplied by a full, uniform rⁿ before they
leave. Both take a factor a ciphertext from the pool; for plain answers of many ciphertexts that is h^r, from a table
(`fedtrain.data_owner.release.pools`). Source: docs/threat-model.md; Damgård, Jurik, Nielsen 2010.
"""

from __future__ import annotations

from dataclasses import replace

from fedtrain.crypto import (
    EncryptedVector,
    Engine,
    FactorPool,
    RerandomiserPool,
    affine_matrix,
    blind,
    key_id,
    pack,
    rerandomise,
)
from fedtrain.data_owner.data.moments import Integers
from fedtrain.data_owner.methods.answers import Affine
from fedtrain.methods.plan import Answer


def encrypted(integers: Integers, planned: Answer, n: int, pool: FactorPool) -> EncryptedVector:
    """Pack and encrypt an owner's own (rows, columns) integers, each ciphertext under a fresh nonce.

    Raises EncodingOverflow, LayoutMismatch where they do not fit the slots.
    """
    plaintexts = pack(integers, planned.layout)
    ciphertexts = blind(pool.take(len(plaintexts)), plaintexts, n)
    return EncryptedVector(key_id(n), planned.fraction_bits, planned.owner_bound, planned.layout, tuple(ciphertexts))


def applied(answer: Affine, planned: Answer, weights: EncryptedVector, n: int, engine: Engine) -> EncryptedVector:
    """Apply matrix·w − vector to Enc(w) and pack. The nonces of what comes back carry the matrix: see `rerandomised`.

    Raises CryptoError.
    """
    if (bounds := planned.applied) is None:
        raise ValueError("the plan has no matrix for this kind of answer")
    return affine_matrix(
        answer.matrix,
        bounds.entry_bound,
        bounds.fraction_bits,
        weights,
        answer.vector,
        bounds.vector_bound,
        planned.layout,
        n,
        engine,
        bounds.row_bounds,
        bounds.work_bound,
    )


def rerandomised(vector: EncryptedVector, n: int, pool: FactorPool) -> EncryptedVector:
    """Multiply a full, uniform rⁿ into each ciphertext of what was computed from somebody else's.

    Raises TypeError for another pool, such as one of h^r: a malicious key holder could read this owner's scalars out of
    such nonces.
    """
    if not isinstance(pool, RerandomiserPool):
        raise TypeError("what was computed from somebody else's ciphertexts is re-randomised by full powers alone")
    fresh = rerandomise(vector.ciphertexts, n, pool.take(len(vector.ciphertexts)))
    return replace(vector, ciphertexts=tuple(fresh))
