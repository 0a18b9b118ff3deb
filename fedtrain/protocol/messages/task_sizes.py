"""Largest bodies that a job's tasks can have, from its plan alone: whoever reads one knows before how much to take.

What is not ciphertexts is bounded generously: names, hashes, signatures and bounds are some hundred bytes a message.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedtrain.methods.plan import EncryptedWeights, Plan, SharedArrays
from fedtrain.protocol.messages.scoring import MAX_ROWS
from fedtrain.protocol.messages.shared_weights import blob_bytes, sealed_bytes
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.spec.model_spec import ModelSpec

#: Answers to invitations, words that a job is over, withdrawals: signed statements without ciphertexts.
STATEMENT_BYTES = 64 << 10
#: An invitation carries the manifest, and with it the spec.
INVITATION_BYTES = 8 << 20
#: 1,000 names of datasets and a membership, as JSON within JSON.
REGISTRATION_BYTES = 256 << 10
_FRAME = 16 << 10
_OF_ENTRY = 512  # an owner's record in a log entry
_OF_KEY = 32  # of a mask, or its commitment
_OF_ROSTER = 16 << 10  # an owner's signed acceptance, with its membership
_SCORE_BYTES = 5  # an integer below 2^32 in CBOR
_CALIBRATION_BYTES = 128


def most_result_bytes(kind: TaskKind, spec: ModelSpec, plan: Plan) -> int:
    """Return the most bytes of a task's result, as CBOR; as JSON a result is a statement of STATEMENT_BYTES."""
    match kind:
        case TaskKind.COMPUTE:
            return _answer(plan) + _commitments(spec)
        case TaskKind.UNMASK:
            return _FRAME + _commitments(spec)
        case TaskKind.STEP:
            return _request(spec, plan)
        case TaskKind.SCORING:  # a ScoringOffer
            return (
                _FRAME
                + 9 * 2 * plan.ciphertext_bytes
                + spec.outputs * (plan.ciphertext_bytes * spec.data_props.dimensions + _CALIBRATION_BYTES)
            )
        case TaskKind.MODEL:  # a GivenModel: one box, and the weights
            return _request(spec, plan)
        case TaskKind.SCORE:  # a ScoreAnswer
            return _FRAME + spec.outputs * MAX_ROWS * _SCORE_BYTES
        case _:
            return STATEMENT_BYTES


def most_request_bytes(kind: TaskKind, spec: ModelSpec, plan: Plan) -> int:
    """Return the most bytes of what a task asks. An invitation is what tells the plan, so it has none: see above."""
    match kind:
        case TaskKind.JOIN:
            return INVITATION_BYTES
        case TaskKind.COMPUTE:
            return _request(spec, plan) + _entry(spec)
        case TaskKind.STEP:
            owners = spec.training.max_data_owners
            sums = _answer(plan) + 2 * _weights(plan)
            answers = owners * (_answer(plan) + _OF_ROSTER)
            # Commitments, and the keys that are told, are one a pair.
            return _request(spec, plan) + _entry(spec) + sums + answers + 2 * owners * _commitments(spec)
        case TaskKind.SIGN_SET | TaskKind.UNMASK:
            return _entry(spec)
        case TaskKind.SCORE:  # a ScoreRequest
            return _FRAME + spec.outputs * MAX_ROWS * plan.ciphertext_bytes
        case _:
            return STATEMENT_BYTES


def most_unplanned_bytes(kind: TaskKind) -> int:
    """Return the most bytes of what a task asks, where the job's plan is not at hand or not agreed on."""
    return STATEMENT_BYTES if kind is TaskKind.END else INVITATION_BYTES


@dataclass(frozen=True)
class EvidenceLimits:
    """Most bytes of a job's log entry, and of any request, answer or sum that an entry names."""

    entry_bytes: int
    blob_bytes: int

    @classmethod
    def of(cls, spec: ModelSpec, plan: Plan) -> EvidenceLimits:
        return cls(_entry(spec), max(_request(spec, plan), _answer(plan) + _commitments(spec)))


def _answer(plan: Plan) -> int:
    return _FRAME + plan.ciphertext_bytes * max(plan.round(kind).answer.layout.ciphertexts for kind in plan.kinds)


def _commitments(spec: ModelSpec) -> int:
    """Return the bytes of a key, or of the hash of one, for each owner there may be; 0 where none is told."""
    return spec.training.max_data_owners * _OF_KEY if spec.self_masked else 0


def _weights(plan: Plan) -> int:
    every = [plan.round(kind).weights for kind in plan.kinds]
    ciphertexts = [weights.layout.ciphertexts for weights in every if isinstance(weights, EncryptedWeights)]
    return _FRAME + plan.ciphertext_bytes * max(ciphertexts, default=0)


def _request(spec: ModelSpec, plan: Plan) -> int:
    every = [plan.round(kind).weights for kind in plan.kinds]
    shared = [weights for weights in every if isinstance(weights, SharedArrays)]
    box = max((sealed_bytes(weights) + _OF_ENTRY for weights in shared), default=0)
    blob = max((blob_bytes(weights) or 0 for weights in shared), default=0)
    # Two vectors where weights before the last update come too.
    return _FRAME + spec.training.max_data_owners * box + blob + 2 * _weights(plan)


def _entry(spec: ModelSpec) -> int:
    return _FRAME + spec.training.max_data_owners * _OF_ENTRY
