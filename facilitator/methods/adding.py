"""The Facilitator's one computation: the product of the owners' ciphertexts, which encrypts their sum.

Never re-randomised: the Facilitator holds no secret, and whoever has the answers recomputes the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedtrain.crypto import EncryptedVector, Engine, sum_vectors
from fedtrain.methods.plan import Plan, Update
from fedtrain.protocol.messages.expected import planned_round
from fedtrain.protocol.messages.rounds import RoundAnswer, RoundRequest, VectorMessage, from_cbor

_AT_ONCE_BYTES = 1 << 20


def add_answers(
    modulus: int, plan: Plan, request_body: bytes, answers: Sequence[bytes], engine: Engine
) -> tuple[VectorMessage, VectorMessage | None, VectorMessage | None]:
    """Return the sum of the answers and, inside a window, the next encrypted weights and those before them.

    `answers`: the exact bytes of each owner's RoundAnswer; large ones are asked for one after the other, so that memory
    does not grow with the owners. Runs in the service's executor. Raises Problem or CryptoError where a stored answer
    is not what was checked when it came in.
    """
    request = from_cbor(request_body, RoundRequest)
    planned = planned_round(plan, request.kind, request.window_step)
    vectors: list[EncryptedVector] = []
    held_bytes = 0
    for answer in answers:
        vectors.append(from_cbor(answer, RoundAnswer).vector.open(modulus))
        held_bytes += len(answer)
        if held_bytes > _AT_ONCE_BYTES and len(vectors) > 1:
            vectors = [sum_vectors(vectors, modulus, engine, planned.answer.sum_bound)]
            held_bytes = 0
    total = sum_vectors(vectors, modulus, engine, planned.answer.sum_bound)
    message = VectorMessage.of(total, modulus)
    if not planned.updates:
        return message, None, None
    weights, previous = _stepped(modulus, plan, request, total, engine)
    return (
        message,
        VectorMessage.of(weights, modulus),
        None if previous is None else VectorMessage.of(previous, modulus),
    )


def _stepped(
    modulus: int, plan: Plan, request: RoundRequest, total: EncryptedVector, engine: Engine
) -> tuple[EncryptedVector, EncryptedVector | None]:
    if request.weights is None or request.rows_total is None:
        raise ValueError("a request inside a window has weights and rows_total")
    weights = request.weights.open(modulus)
    previous = None if request.previous_weights is None else request.previous_weights.open(modulus)
    update = Update(request.rows_total, request.window_step, weights, previous, total)
    return plan.next_weights(update, modulus, engine), None if previous is None else weights
