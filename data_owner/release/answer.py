"""One answer: A·w − b, masked, re-randomised, signed. Runs in an executor, never on the event loop's thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrain.crypto import EncryptedVector, RerandomiserPool, blind, rerandomise, sum_of_masks
from fedtrain.crypto.engine import Engine
from fedtrain.data_owner.job import AnswerFacts
from fedtrain.data_owner.methods import GradientProvider, Prepared
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.messages.expected import expected_weights
from fedtrain.protocol.messages.rounds import RoundAnswer, RoundKind, RoundRequest, VectorMessage, to_cbor
from fedtrain.protocol.messages.shared_weights import (
    SealingContext,
    SharedWeights,
    check_boxes,
    check_recipients,
    open_weights_box,
)

MASK_TAG = "mask"


@dataclass(frozen=True, eq=False)
class AnsweringJob:
    """What does not change between the rounds of a job that this owner has joined.

    `peers`: X25519 public keys of the roster's other owners, by party id, both as bytes; empty only on a roster of one.
    `sealing_key`: where the job shares its weights with owners.
    """

    manifest_hash: str
    roster_hash: str
    modulus: int
    identity: Identity
    mask_key: X25519PrivateKey = field(repr=False)
    peers: Mapping[bytes, bytes]
    provider: GradientProvider
    prepared: Prepared = field(repr=False)
    pool: RerandomiserPool
    engine: Engine
    sealing_key: X25519PrivateKey | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ComputedAnswer:
    """The bytes to store and send, what is kept in view of them, and how many numbers they carry."""

    body: bytes
    facts: AnswerFacts
    numbers: int


def compute_answer(job: AnsweringJob, request: RoundRequest, request_hash: str) -> ComputedAnswer:
    """Answer a request that `fedtrain.data_owner.round` let through; `request_hash` is of its bytes as received.

    Two calls give different ciphertexts, so that only what is stored may be sent. Raises Problem: MALFORMED_MESSAGE or
    MALFORMED_CIPHERTEXT for weights that are not what the plan says, SEALED_WEIGHTS_REFUSED for those that do not open,
    MALFORMED_KEY for a peer's mask key, and what the provider raises.
    """
    weights = _weights(job, request)
    plain = job.provider.answer(job.prepared, request, weights, job.modulus, job.engine)
    count = len(plain.ciphertexts)
    context: list[bytes | str | int]
    context = [MASK_TAG, job.manifest_hash, job.roster_hash, request.round, request.kind.value, request_hash]
    if isinstance(weights, SharedWeights):
        # Owners that were given different weights under one request must not cancel each other's masks.
        context.append(weights.hash)
    own_id = bytes.fromhex(job.identity.party_id)
    masks = sum_of_masks(own_id, job.mask_key, job.peers, context, count, job.modulus)
    masked = blind(plain.ciphertexts, masks, job.modulus)
    fresh = rerandomise(masked, job.modulus, job.pool.take(count))
    vector = VectorMessage.of(replace(plain, ciphertexts=tuple(fresh)), job.modulus)
    answer = RoundAnswer(
        party=job.identity.party_id,
        manifest_hash=job.manifest_hash,
        roster_hash=job.roster_hash,
        round=request.round,
        kind=request.kind,
        request_hash=request_hash,
        log_head=request.log_head,
        vector=vector,
        signature=b"\0" * 64,
    ).signed_by(job.identity)
    body = to_cbor(answer)
    facts = AnswerFacts(
        round=request.round,
        kind=request.kind,
        request_hash=request_hash,
        log_head=request.log_head,
        answer_hash=sha256_hex(body),
        ciphertexts_hash=vector.ciphertexts_hash,
        signature=answer.signature.hex(),
    )
    return ComputedAnswer(body, facts, plain.layout.rows * plain.layout.columns)


def _weights(job: AnsweringJob, request: RoundRequest) -> EncryptedVector | SharedWeights | None:
    """The request's weights, opened as the job's plan has them."""
    if request.kind is RoundKind.GRADIENT:
        check_boxes(request.sealed_weights, job.prepared.budget)
    if request.sealed_weights is not None and job.sealing_key is not None:
        own = job.identity.party_id
        check_recipients(request.sealed_weights, sorted([own, *(peer.hex() for peer in job.peers)]))
        context = SealingContext(job.manifest_hash, job.roster_hash, request.round)
        return open_weights_box(request.sealed_weights, own, job.sealing_key, context, job.prepared.budget)
    return None if request.weights is None else open_weights(job, request.kind, request.window_step, request.weights)


def open_weights(job: AnsweringJob, kind: RoundKind, window_step: int, message: VectorMessage) -> EncryptedVector:
    """Return Enc(w) under the plan's own bound, each ciphertext checked.

    Raises Problem: MALFORMED_MESSAGE where key, scale or layout are not the plan's, or the bound is beyond it;
    MALFORMED_CIPHERTEXT.
    """
    expected = expected_weights(job.prepared.budget, kind, window_step)
    opened = expected.open(message, job.modulus, "The weights")
    return opened if expected.largest_bound is None else replace(opened, bound=expected.largest_bound)
