"""x·w under encryption, and the mask that hides it from who decrypts. Runs in an executor."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import numpy as np
from gmpy2 import mpz

from fedtrain.crypto import (
    CryptoError,
    Engine,
    RerandomiserPool,
    blind,
    check_key,
    ciphertexts_from_bytes,
    ciphertexts_to_bytes,
    encode,
    rerandomise,
)
from fedtrain.protocol.documents.signed import Manifest
from fedtrain.protocol.messages.scoring import Floats, ScorePlan, ScoringOffer
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder


@dataclass(frozen=True, eq=False)
class OpenOffer:
    """A model under encryption that this owner may score with: key proven, ciphertexts checked.

    `weights`: Enc(w), (d, k) row by row.
    """

    offer: ScoringOffer
    offer_hash: str
    manifest: Manifest
    encoder: Encoder
    plan: ScorePlan
    modulus: int
    weights: tuple[mpz, ...] = field(repr=False)

    @property
    def outputs(self) -> int:
        return self.manifest.spec.outputs


def open_offer(
    offer: ScoringOffer, offer_hash: str, manifest: Manifest, manifest_hash: str, *, allow_small_keys: bool
) -> OpenOffer:
    """Check all that an offer claims.

    Raises Problem: MALFORMED_MESSAGE for another model's, MALFORMED_KEY for a key without a proof or of another size
    than the model's, MALFORMED_CIPHERTEXT, DOES_NOT_FIT.
    """
    spec = manifest.spec
    if (offer.model_id, offer.manifest_hash) != (manifest.job_id, manifest_hash):
        raise Problem(Code.MALFORMED_MESSAGE, f"The scoring offer is of model {offer.model_id}, or of another job.")
    modulus = int(offer.modulus, 16)
    if modulus == int(manifest.modulus, 16):
        raise Problem(Code.MALFORMED_KEY, "The model is offered for scoring under the key that it was trained with.")
    encoder = Encoder.of_spec(spec)
    plan = ScorePlan.of(encoder.feature_bounds, offer.bound_exponent)
    plan.check_capacity(modulus)
    proof = [int(root, 16) for root in offer.key_proof]
    identity, nonce = bytes.fromhex(manifest.model_owner), bytes.fromhex(offer.nonce)
    try:
        check_key(modulus, spec.training.key_bits, proof, identity, nonce, allow_small=allow_small_keys)
    except CryptoError as error:
        raise Problem(Code.MALFORMED_KEY, f"The key for scoring is not sound: {error}.") from None
    try:
        weights = ciphertexts_from_bytes(offer.weights, modulus, spec.data_props.dimensions * spec.outputs)
    except CryptoError as error:
        raise Problem(Code.MALFORMED_CIPHERTEXT, f"The encrypted model is not valid: {error}.") from None
    if offer.calibration is not None and len(offer.calibration) != spec.outputs:
        raise Problem(Code.MALFORMED_MESSAGE, f"The scoring offer calibrates {len(offer.calibration)} outputs.")
    return OpenOffer(offer, offer_hash, manifest, encoder, plan, modulus, weights)


@dataclass(frozen=True, eq=False)
class MaskedScores:
    """Scores as they are sent, and the masks that stay here: Enc(x·w + m) and the m, one of each a row and output."""

    ciphertexts: bytes
    masks: tuple[int, ...] = field(repr=False)


def mask_scores(model: OpenOffer, X: Floats, engine: Engine) -> MaskedScores:
    """Score rows X (rows, d) under encryption; each score gets a mask uniform mod n and a fresh, uniform rⁿ."""
    n = model.modulus
    integers = encode(X, model.plan.feature_bits, _largest(model))
    columns = [
        engine.multi_exponentiate(
            model.weights[column :: model.outputs],
            integers.tolist(),
            _largest(model).bit_length(),
            mpz(n) * n,
        )
        for column in range(model.outputs)
    ]
    scores = [ciphertext for row in zip(*columns, strict=True) for ciphertext in row]
    masks = [secrets.randbelow(n) for _ in scores]
    factors = RerandomiserPool(n, engine, target=0).take(len(scores))
    sent = rerandomise(blind(scores, masks, n), n, factors)
    return MaskedScores(ciphertexts_to_bytes(sent, n), tuple(masks))


def unmask_scores(model: OpenOffer, masked: MaskedScores, values: tuple[int, ...]) -> Floats:
    """(rows, k) scores in scaled units. Raises Problem(MALFORMED_MESSAGE) for another number of values."""
    if len(values) != len(masked.masks):
        raise Problem(
            Code.MALFORMED_MESSAGE, f"{len(masked.masks)} scores were asked for, the Model Owner answers {len(values)}."
        )
    scores = [model.plan.unmasked(value, mask) for value, mask in zip(values, masked.masks, strict=True)]
    return np.array(scores).reshape(-1, model.outputs)


def _largest(model: OpenOffer) -> int:
    """The largest magnitude of an encoded feature."""
    return int(np.ceil(np.ldexp(model.encoder.feature_bounds.max(), model.plan.feature_bits)))
