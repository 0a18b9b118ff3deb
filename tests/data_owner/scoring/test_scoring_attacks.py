"""Private scoring against an owner, a Model Owner or a Facilitator that breaks the rules."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpz
from phe.paillier import PaillierPrivateKey, PaillierPublicKey

from fedtrain.crypto import (
    LocalEngine,
    PublicEncryptor,
    ciphertexts_from_bytes,
    ciphertexts_to_bytes,
    decrypt,
    encode,
    generate_keypair,
    private_key_from_dict,
)
from fedtrain.data_owner.scoring import masked_scores
from fedtrain.data_owner.scoring.masked_scores import OpenOffer, mask_scores, open_offer, unmask_scores
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.messages.rounds import SignedBytes, from_cbor, to_cbor
from fedtrain.protocol.messages.scoring import REQUEST_TAG, SCORE_BITS, ScorePlan, ScoreRequest, ScoringReply
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.simulation.federation import Federation
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder
from tests.harness.model_owner.scoring_scenes import FEATURES, Attacker, linear_spec, make_table, run

ENGINE = LocalEngine()
D = FEATURES + 1


def scoring_key(parties: Federation, model_id: str) -> PaillierPrivateKey:
    """The Model Owner's own, for a test to compare with."""
    path = parties.model_owner.state_dir / "scoring-keys" / f"{model_id}.json"
    return private_key_from_dict(json.loads(path.read_text()))


async def attacker_at_work(parties: Federation, model_id: str) -> Attacker:
    await parties.model_owner.post(f"/models/{model_id}/scoring", {})
    return Attacker(parties, parties.data_owners[0], model_id)


async def opened(attacker: Attacker) -> OpenOffer:
    offer, offer_hash = await attacker.offer()
    manifest = await attacker.manifest()
    return open_offer(offer, offer_hash, manifest, offer.manifest_hash, allow_small_keys=True)


@pytest.mark.slow
def test_a_crafted_row_reads_one_score_and_not_every_weight(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        attacker = await attacker_at_work(parties, model_id)
        model = await opened(attacker)
        square = mpz(model.modulus) ** 2
        crafted = mpz(1)
        for j, weight in enumerate(model.weights):
            crafted = crafted * pow(weight, 1 << (64 * j), square) % square
        (told,) = await attacker.decrypted(ciphertexts_to_bytes([crafted], model.modulus), model.offer_hash)
        key = scoring_key(parties, model_id)
        (residue,) = decrypt([crafted], key, ENGINE)
        weights = [w if w < model.modulus // 2 else w - model.modulus for w in decrypt(model.weights, key, ENGINE)]
        # A decryption of the whole would have been the whole model.
        assert residue == sum(w << (64 * j) for j, w in enumerate(weights)) % model.modulus
        assert told == (residue >> model.plan.dropped_bits) % (1 << SCORE_BITS)
        # 2^32 of them give the same answer, so that no more than these bits can be in it.
        assert residue.bit_length() > 300
        assert told.bit_length() <= SCORE_BITS

    run(tmp_path, scene)


@pytest.mark.slow
def test_reading_a_crafted_row_piece_by_piece_ends_below_what_the_model_can_tell(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        attacker = await attacker_at_work(parties, model_id)
        model = await opened(attacker)
        square = mpz(model.modulus) ** 2
        pieces = 0
        with pytest.raises(Problem) as refused:
            for weight in model.weights:
                for window in range(2):  # each weight's bits above t, then those below
                    shifted = pow(weight, 1 << (model.plan.dropped_bits - SCORE_BITS * window), square)
                    await attacker.decrypted(ciphertexts_to_bytes([shifted], model.modulus), model.offer_hash)
                    pieces += 1
        assert refused.value.code is Code.SCORES_USED_UP
        standing = await parties.model_owner.get(f"/models/{model_id}/scoring")
        assert pieces * SCORE_BITS == standing["spent_bits"] <= standing["quota_bits"] < standing["entropy_bits"]
        assert pieces < D

    run(tmp_path, scene)


@pytest.mark.slow
def test_blinded_ciphertexts_of_the_log_are_not_opened(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        attacker = await attacker_at_work(parties, model_id)
        model = await opened(attacker)
        manifest = await attacker.manifest()
        training, scoring = int(manifest.modulus, 16), model.modulus
        assert training != scoring
        secret, told = 123_456_789, []
        for modulus in (scoring, training):
            encryptor = PublicEncryptor(PaillierPublicKey(modulus), ENGINE, expected_count=4)
            mask = secrets.randbelow(modulus)
            (blinded,) = encryptor.encrypt([(secret << model.plan.dropped_bits) + mask])
            body = ciphertexts_to_bytes([blinded % (mpz(scoring) ** 2)], scoring)
            (value,) = await attacker.decrypted(body, model.offer_hash)
            told.append((value - (mask >> model.plan.dropped_bits)) % (1 << SCORE_BITS))
        # Under the key for scoring that works as it should; under the training key there is nothing to be had.
        assert told[0] in (secret, secret + 1)
        assert told[1] not in (secret, secret + 1)

    run(tmp_path, scene)


@pytest.mark.slow
def test_a_request_that_is_sent_again_is_counted_once(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        attacker = await attacker_at_work(parties, model_id)
        model = await opened(attacker)
        body = ciphertexts_to_bytes(model.weights[:1], model.modulus)
        nonce = secrets.token_hex(32)
        first = await attacker.decrypted(body, model.offer_hash, nonce)
        assert await attacker.decrypted(body, model.offer_hash, nonce) == first
        assert (await parties.model_owner.get(f"/models/{model_id}/scoring"))["spent_bits"] == SCORE_BITS
        assert await attacker.decrypted(body, model.offer_hash) == first
        assert (await parties.model_owner.get(f"/models/{model_id}/scoring"))["spent_bits"] == 2 * SCORE_BITS

    run(tmp_path, scene)


@pytest.mark.slow
def test_nobody_else_may_ask_in_an_owners_name(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        owner = await attacker_at_work(parties, model_id)
        model = await opened(owner)
        stranger = Attacker(parties, parties.data_owners[0], model_id, Identity.generate())
        with pytest.raises(Problem) as refused:
            await stranger.offer()
        assert refused.value.code is Code.SCORING_REFUSED
        # In the owner's name at the Facilitator, but without its key.
        body = ciphertexts_to_bytes(model.weights[:1], model.modulus)
        request = ScoreRequest(
            model_id=model_id, offer_hash=model.offer_hash, nonce=secrets.token_hex(32), ciphertexts=body
        )
        signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, stranger.identity)
        recipient = model.manifest.model_owner
        task = await owner.client.send_task(TaskKind.SCORE, recipient, model_id, request.nonce, to_cbor(signed))
        reply = await owner.reply_to(task.id)
        assert from_cbor(reply, ScoringReply).code == Code.BAD_SIGNATURE.slug
        assert (await parties.model_owner.get(f"/models/{model_id}/scoring"))["spent_bits"] == 0

    run(tmp_path, scene)


@pytest.mark.slow
def test_masked_scores_that_are_not_valid_cost_nothing(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        attacker = await attacker_at_work(parties, model_id)
        model = await opened(attacker)
        one = ciphertexts_to_bytes(model.weights[:1], model.modulus)
        for body, code in (
            (one[:-1], Code.MALFORMED_MESSAGE),
            (b"", Code.MALFORMED_MESSAGE),
            (bytes(len(one)), Code.MALFORMED_CIPHERTEXT),
        ):
            with pytest.raises(Problem) as refused:
                await attacker.decrypted(body, model.offer_hash)
            assert refused.value.code is code
        with pytest.raises(Problem) as refused:
            await attacker.decrypted(one, "00" * 32)
        assert refused.value.code is Code.MALFORMED_MESSAGE
        assert (await parties.model_owner.get(f"/models/{model_id}/scoring"))["spent_bits"] == 0

    run(tmp_path, scene)


@pytest.mark.slow
def test_an_offer_that_does_not_prove_its_key_is_refused(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        attacker = await attacker_at_work(parties, model_id)
        offer, offer_hash = await attacker.offer()
        manifest = await attacker.manifest()
        open_offer(offer, offer_hash, manifest, offer.manifest_hash, allow_small_keys=True)
        other = f"{int(generate_keypair(512, allow_small=True)[0].n):0128x}"
        for changes, small, code in (
            ({"modulus": other}, True, Code.MALFORMED_KEY),
            ({"modulus": manifest.modulus}, True, Code.MALFORMED_KEY),
            ({"nonce": "00" * 32}, True, Code.MALFORMED_KEY),
            ({}, False, Code.MALFORMED_KEY),
            ({"weights": offer.weights[:-1]}, True, Code.MALFORMED_CIPHERTEXT),
            ({"manifest_hash": "00" * 32}, True, Code.MALFORMED_MESSAGE),
        ):
            with pytest.raises(Problem) as refused:
                open_offer(
                    offer.model_copy(update=changes), offer_hash, manifest, offer.manifest_hash, allow_small_keys=small
                )
            assert refused.value.code is code, changes

    run(tmp_path, scene)


# What the Model Owner sees


@pytest.fixture(scope="module")
def key() -> PaillierPrivateKey:
    return generate_keypair(256, allow_small=True)[1]


def model_under(key: PaillierPrivateKey, weights: np.ndarray) -> OpenOffer:
    encoder = Encoder.of_spec(ModelSpec.model_validate_json(json.dumps(linear_spec())))
    plan = ScorePlan.of(encoder.feature_bounds, 3)
    integers = encode(weights, plan.weight_bits, 1 << plan.magnitude_bits)
    ciphertexts = PublicEncryptor(key.public_key, ENGINE, expected_count=D).encrypt(integers.tolist())
    stated: Any = SimpleNamespace(spec=SimpleNamespace(outputs=1))
    offer: Any = None
    return OpenOffer(offer, "", stated, encoder, plan, int(key.public_key.n), tuple(ciphertexts))


def test_what_the_model_owner_decrypts_is_uniform(key: PaillierPrivateKey) -> None:
    """400 scores of one and the same row fall evenly into 16 parts of [0, n), and so do their lowest digits."""
    weights = np.array([0.5, -0.25, 1.5, 0.125, -1.0, 2.0, 0.75])
    model = model_under(key, weights)
    row = np.column_stack([make_table(1, seed=2)[:, :FEATURES] / 5, [1.0]])
    X = np.repeat(row, 400, axis=0)
    masked = mask_scores(model, X, ENGINE)
    n = model.modulus
    seen = decrypt(ciphertexts_from_bytes(masked.ciphertexts, n, 400), key, ENGINE)
    for parts in ([value * 16 // n for value in seen], [value % 16 for value in seen]):
        counts = np.bincount(parts, minlength=16)
        assert ((counts - 25) ** 2 / 25).sum() < 80  # chi-square with 15 degrees of freedom: P(≥ 80) < 1e-10
    # Beneath the masks there is one number, 400 times.
    beneath = {(value - mask) % n for value, mask in zip(seen, masked.masks, strict=True)}
    assert len(beneath) == 1
    truncated = tuple(model.plan.truncated(value) for value in seen)
    np.testing.assert_allclose(unmask_scores(model, masked, truncated)[:, 0], X @ weights, atol=2.0 ** (3 - 29))


def test_nonces_are_fresh_even_where_masks_repeat(key: PaillierPrivateKey, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_under(key, np.full(D, 0.5))
    monkeypatch.setattr(masked_scores, "secrets", SimpleNamespace(randbelow=lambda _: 7))
    X = np.ones((3, D))
    masked = mask_scores(model, X, ENGINE)
    ciphertexts = ciphertexts_from_bytes(masked.ciphertexts, model.modulus, 3)
    assert len(set(decrypt(ciphertexts, key, ENGINE))) == 1
    assert len(set(ciphertexts)) == 3


def test_the_masked_score_is_not_the_score(key: PaillierPrivateKey) -> None:
    weights = np.array([0.5, -0.25, 1.5, 0.125, -1.0, 2.0, 0.75])
    model = model_under(key, weights)
    masked = mask_scores(model, np.ones((2, D)), ENGINE)
    residues = decrypt(ciphertexts_from_bytes(masked.ciphertexts, model.modulus, 2), key, ENGINE)
    values = [model.plan.truncated(residue) for residue in residues]
    # What is under a mask comes so near to the true score with probability 2^-24: not twice.
    assert max(abs(model.plan.unmasked(value, 0) - weights.sum()) for value in values) > 2.0**-20
    for value, mask in zip(values, masked.masks, strict=True):
        assert abs(model.plan.unmasked(value, mask) - weights.sum()) < 2.0**-20


def test_another_number_of_values_than_was_asked_for_is_refused(key: PaillierPrivateKey) -> None:
    model = model_under(key, np.full(D, 0.5))
    masked = mask_scores(model, np.ones((2, D)), ENGINE)
    with pytest.raises(Problem) as refused:
        unmask_scores(model, masked, (1,))
    assert refused.value.code is Code.MALFORMED_MESSAGE
