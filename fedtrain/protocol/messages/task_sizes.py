"""Largest bodies that a job's tasks can have, from its plan alone: whoever reads one knows before how much to take.

What is not ciphertexts is bounded generously: names, hashes, signatures and bounds are some hundred bytes a message.
"""

from __future__ import annotations

from fedtrain.planning.budget import Budget
from fedtrain.protocol.messages.scoring import MAX_ROWS
from fedtrain.protocol.messages.shared_weights import sealed_bytes
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
_OF_ROSTER = 16 << 10  # an owner's signed acceptance, with its membership
_SCORE_BYTES = 5  # an integer below 2^32 in CBOR
_CALIBRATION_BYTES = 128


def most_result_bytes(kind: TaskKind, spec: ModelSpec, budget: Budget) -> int:
    """Return the most bytes of a task's result, as CBOR; as JSON a result is a statement of STATEMENT_BYTES."""
    match kind:
        case TaskKind.COMPUTE:
            return _answer(budget)
        case TaskKind.STEP:
            return _request(spec, budget)
        case TaskKind.SCORING:  # a ScoringOffer
            return (
                _FRAME
                + 9 * 2 * _width(budget)
                + spec.outputs * (_width(budget) * spec.data_props.dimensions + _CALIBRATION_BYTES)
            )
        case TaskKind.SCORE:  # a ScoreAnswer
            return _FRAME + spec.outputs * MAX_ROWS * _SCORE_BYTES
        case _:
            return STATEMENT_BYTES


def most_request_bytes(kind: TaskKind, spec: ModelSpec, budget: Budget) -> int:
    """Return the most bytes of what a task asks. An invitation is what tells the plan, so it has none: see above."""
    match kind:
        case TaskKind.JOIN:
            return INVITATION_BYTES
        case TaskKind.COMPUTE:
            return _request(spec, budget) + _entry(spec)
        case TaskKind.STEP:
            owners = spec.training.max_data_owners
            sums = _answer(budget) + 2 * _weights(budget)
            return _request(spec, budget) + _entry(spec) + sums + owners * (_answer(budget) + _OF_ROSTER)
        case TaskKind.SCORE:  # a ScoreRequest
            return _FRAME + spec.outputs * MAX_ROWS * _width(budget)
        case _:
            return STATEMENT_BYTES


def _answer(budget: Budget) -> int:
    layouts = [budget.counts_layout, budget.answer_layout]
    layouts += [budget.newton.layout] if budget.newton is not None else []
    layouts += [budget.validation.answer_layout] if budget.validation is not None else []
    return _FRAME + _width(budget) * max(layout.ciphertexts for layout in layouts)


def _weights(budget: Budget) -> int:
    layouts = [budget.weights_layout]
    layouts += [budget.validation.weights_layout] if budget.validation is not None else []
    return _FRAME + _width(budget) * max(layout.ciphertexts for layout in layouts)


def _request(spec: ModelSpec, budget: Budget) -> int:
    boxes = spec.training.max_data_owners * (sealed_bytes(budget) + _OF_ENTRY) if budget.shares_weights else 0
    return _FRAME + boxes + 2 * _weights(budget)  # momentum asks with two vectors


def _entry(spec: ModelSpec) -> int:
    return _FRAME + spec.training.max_data_owners * _OF_ENTRY


def _width(budget: Budget) -> int:
    """Bytes of one ciphertext."""
    return -(-2 * budget.inputs.modulus_bits // 8)
