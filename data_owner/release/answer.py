"""One answer, stage by stage, from a method's numbers to signed bytes. Runs in an executor, never on the event loop.

    fixed point → noise → pack, encrypt or apply → mask → re-randomise → sign

It is the one way from records to a `RoundAnswer`; `fedtrain.data_owner.release.ledger` is the one way from there to
the task client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedtrain.crypto import EncryptedVector, FactorPool, blind, encode_context, sum_of_masks
from fedtrain.crypto.engine import Engine
from fedtrain.data_owner.data.moments import Integers
from fedtrain.data_owner.job import Answered
from fedtrain.data_owner.job_state import AnswerFacts
from fedtrain.data_owner.methods.answers import Affine, OwnerMethod, Plain, PreparedData, Question
from fedtrain.data_owner.release.fixed_point import fixed_point
from fedtrain.data_owner.release.mask_keys import RoundKeys
from fedtrain.data_owner.release.noise import with_noise
from fedtrain.data_owner.release.noised_release import NoisedRelease
from fedtrain.data_owner.release.under_encryption import applied, encrypted, rerandomised
from fedtrain.methods.plan import Answer as PlannedAnswer
from fedtrain.methods.plan import EncryptedWeights, Plan, SharedArrays
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.messages.expected import check_asks, open_planned, planned_round
from fedtrain.protocol.messages.rounds import Commitments, Kind, RoundAnswer, RoundRequest, VectorMessage, to_cbor
from fedtrain.protocol.messages.shared_weights import (
    SealingContext,
    SharedWeights,
    check_recipients,
    open_weights_box,
)
from fedtrain.spec.problems import Code, Problem

MASK_TAG = "mask"
TRAINING_TAG = "training"
ROUNDING_TAG = "rounding"
NOISE_TAG = "noise of one answer"
SEED_BYTES = 32


@dataclass(frozen=True, eq=False)
class AnsweringJob:
    """All that does not change between the rounds of a job that this owner has joined.

    `peers`: X25519 public keys of the roster's other owners, by party id, both as bytes; empty only on a roster of one.
    `self_masked`: each answer has a mask of its owner's own too; `size_band`: where rounds go on without an owner.
    `sealing_key`: where the job shares its weights with owners. `release`: where the plan has noise.
    """

    manifest_hash: str
    roster_hash: str
    modulus: int
    identity: Identity
    mask_key: X25519PrivateKey = field(repr=False)
    peers: Mapping[bytes, bytes]
    plan: Plan
    method: OwnerMethod
    data: PreparedData
    pool: FactorPool
    engine: Engine
    self_masked: bool
    sealing_key: X25519PrivateKey | None = field(default=None, repr=False)
    release: NoisedRelease | None = None
    size_band: int | None = None


def compute_answer(
    job: AnsweringJob,
    request: RoundRequest,
    request_hash: str,
    encrypting: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Answered:
    """Answer a request that `fedtrain.data_owner.round` let through; `request_hash` is of its bytes as received.

    `encrypting`: entered for what follows the method's numbers, so that pools fill while a network trains.

    Two calls give different ciphertexts, so that only what is stored may be sent. Raises Problem: MALFORMED_MESSAGE or
    MALFORMED_CIPHERTEXT for weights that are not what the plan says, SEALED_WEIGHTS_REFUSED for those that do not open,
    WRONG_STATE for a kind that the method has no answer to, ROWS_TOTAL_REFUSED for fewer rows in all than this owner's,
    MALFORMED_KEY for a peer's mask key, what `fixed_point` refuses, and what the method raises.
    """
    weights = open_weights(job, request)
    shared = weights if isinstance(weights, SharedWeights) else None
    numbers, planned = numbers_of(job, request, request_hash, shared)
    with encrypting():
        if isinstance(numbers, Affine):
            if not isinstance(weights, EncryptedVector):
                raise Problem(Code.MALFORMED_MESSAGE, f"A {request.kind} request of this job needs encrypted weights.")
            vector = applied(numbers, planned, weights, job.modulus, job.engine)
        else:
            vector = encrypted(numbers, planned, job.modulus, job.pool)
        asked = AskedFacts.of(request, request_hash, shared)
        vector, commitments = _masked(job, asked, vector)
        if isinstance(numbers, Affine):
            vector = rerandomised(vector, job.modulus, job.pool)
        return _signed(job, asked, vector, commitments)


def numbers_of(
    job: AnsweringJob, request: RoundRequest, request_hash: str, shared: SharedWeights | None
) -> tuple[Integers | Affine, PlannedAnswer]:
    """Return what the method answers, as integers at the plan's scale, with noise where the plan has any, and the
    worst case that they were held to.
    """
    kind, rows_total = request.kind, request.rows_total
    planned = planned_round(job.plan, kind, request.window_step, rows_total).answer
    if kind not in job.method.answers:
        raise Problem(Code.WRONG_STATE, f"This model type has no answer to {kind}.")
    # Where N is noised it can be below an owner's own count, and whether it is would tell of that.
    if planned.noise is None and rows_total is not None and job.data.training_rows > rows_total:
        # Its own rows are not said: others read why an owner refused.
        raise Problem(
            Code.ROWS_TOTAL_REFUSED,
            f"The request says {rows_total} rows in all: that cannot be the sum that this owner's count is part of.",
        )
    if (kind in job.method.needs_weights) != (shared is not None):
        raise Problem(Code.MALFORMED_MESSAGE, f"The weights of a {kind} request are not as this job has them.")
    training, rounding = (_seed(job, request, request_hash, shared, tag) for tag in (TRAINING_TAG, ROUNDING_TAG))
    question = Question(kind, request.round, rows_total, shared, training, job.size_band)
    answer = job.method.answers[kind](job.data, question)
    numbers = fixed_point(answer, planned, rounding)
    if isinstance(answer, Plain) and not isinstance(numbers, Affine):
        seed = None if job.release is None else job.release.seed
        if seed is not None and planned.noise is not None and planned.noise.per_answer:
            seed = _seed(job, request, request_hash, shared, NOISE_TAG)
        numbers = with_noise(numbers, planned, answer.names, seed)
    return numbers, planned


@dataclass(frozen=True)
class AskedFacts:
    """A question, as far as masks are bound to it. `weights_hash`: of opened weights, where there are any."""

    round: int
    kind: Kind
    request_hash: str
    log_head: str
    weights_hash: str | None

    @classmethod
    def of(cls, request: RoundRequest, request_hash: str, shared: SharedWeights | None) -> AskedFacts:
        weights_hash = None if shared is None else shared.hash
        return cls(request.round, request.kind, request_hash, request.log_head, weights_hash)

    def context(self, job: AnsweringJob) -> list[bytes | str | int]:
        """Return all that an owner was asked with, which masks and what it draws are bound to."""
        context: list[bytes | str | int]
        context = [job.manifest_hash, job.roster_hash, self.round, self.kind, self.request_hash]
        # Owners that were given different weights under one request must not cancel each other's masks.
        return context if self.weights_hash is None else [*context, self.weights_hash]

    def mask_context(self, job: AnsweringJob) -> list[bytes | str | int]:
        """Return what the masks are bound to, but for the owners that share each."""
        return [MASK_TAG, *self.context(job)]


def _seed(
    job: AnsweringJob, request: RoundRequest, request_hash: str, shared: SharedWeights | None, purpose: str
) -> bytes:
    """32 bytes for what an owner draws in one answer: the same after any restart, and for no other request.

    Of the mask key, which the job alone has, and which is gone when it ends: HKDF (RFC 5869) keeps purposes apart.
    """
    info = encode_context(purpose, *AskedFacts.of(request, request_hash, shared).context(job))
    secret = job.mask_key.private_bytes_raw()
    return HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=None, info=info).derive(secret)


def round_keys(job: AnsweringJob, asked: AskedFacts) -> RoundKeys:
    """Return the keys of an answer's masks, in a job whose answers carry one of this owner's own."""
    return RoundKeys.of(bytes.fromhex(job.identity.party_id), job.mask_key, job.peers, asked.mask_context(job))


def _masked(
    job: AnsweringJob, asked: AskedFacts, vector: EncryptedVector
) -> tuple[EncryptedVector, Commitments | None]:
    """Add the masks that this owner shares with the roster's others, and its own where answers carry one."""
    own_id, count = bytes.fromhex(job.identity.party_id), len(vector.ciphertexts)
    commitments = None
    if job.self_masked:
        keys = round_keys(job, asked)
        masks, commitments = keys.masks(count, job.modulus), keys.commitments
    else:
        masks = sum_of_masks(own_id, job.mask_key, job.peers, asked.mask_context(job), count, job.modulus)
    return replace(vector, ciphertexts=tuple(blind(vector.ciphertexts, masks, job.modulus))), commitments


def _signed(job: AnsweringJob, asked: AskedFacts, vector: EncryptedVector, commitments: Commitments | None) -> Answered:
    message = VectorMessage.of(vector, job.modulus)
    answer = RoundAnswer(
        party=job.identity.party_id,
        manifest_hash=job.manifest_hash,
        roster_hash=job.roster_hash,
        round=asked.round,
        kind=asked.kind,
        request_hash=asked.request_hash,
        log_head=asked.log_head,
        vector=message,
        commitments=commitments,
        signature=b"\0" * 64,
    ).signed_by(job.identity)
    body = to_cbor(answer)
    facts = AnswerFacts(
        round=asked.round,
        kind=asked.kind,
        request_hash=asked.request_hash,
        log_head=asked.log_head,
        answer_hash=sha256_hex(body),
        ciphertexts_hash=message.ciphertexts_hash,
        signature=answer.signature.hex(),
        weights_hash=asked.weights_hash,
    )
    return Answered(facts, body, vector.layout.rows * vector.layout.columns)


def open_weights(job: AnsweringJob, request: RoundRequest) -> EncryptedVector | SharedWeights | None:
    """Return the request's weights as the job's plan has them, encrypted ones under the plan's own bound.

    Raises Problem: MALFORMED_MESSAGE where a kind, key, scale or layout is not the plan's, or the bound is beyond it;
    MALFORMED_CIPHERTEXT; SEALED_WEIGHTS_REFUSED.
    """
    planned = check_asks(job.plan, request).weights
    if isinstance(planned, SharedArrays) and request.sealed_weights is not None and job.sealing_key is not None:
        own = job.identity.party_id
        check_recipients(request.sealed_weights, sorted([own, *(peer.hex() for peer in job.peers)]))
        context = SealingContext(job.manifest_hash, job.roster_hash, request.round)
        boxes, blob = request.sealed_weights, request.weights_blob
        return open_weights_box(boxes, own, job.sealing_key, context, planned, blob)
    if isinstance(planned, EncryptedWeights) and request.weights is not None:
        return replace(open_planned(request.weights, planned, job.modulus, "The weights"), bound=planned.bound)
    return None
